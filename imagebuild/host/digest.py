"""The sha256 of an image, without reading its holes."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from imagebuild.errors import Interrupted

_CHUNK_BYTES = 4 * 2**20
_ZEROS = memoryview(bytes(_CHUNK_BYTES))


def image_sha256(path: Path, stop: threading.Event) -> str:
    """The sha256 of the whole file, its holes taken as the zeros that they read as (lseek(2), SEEK_DATA).

    Raises OSError when it cannot be read, Interrupted when `stop` is set.
    """
    digest = hashlib.sha256()
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        for start, end, is_data in _extents(descriptor):
            position = start
            while position < end:
                if stop.is_set():
                    raise Interrupted("hashing was stopped")
                length = min(_CHUNK_BYTES, end - position)
                chunk = os.pread(descriptor, length, position) if is_data else _ZEROS[:length]
                if not chunk:
                    raise OSError(f"{path} became shorter while it was read")
                digest.update(chunk)
                position += len(chunk)
    finally:
        os.close(descriptor)
    return digest.hexdigest()


def _extents(descriptor: int) -> Iterator[tuple[int, int, bool]]:
    """Start, end, and whether there is data, from the file's beginning to its end."""
    size = os.fstat(descriptor).st_size
    position = 0
    while position < size:
        try:
            data = min(os.lseek(descriptor, position, os.SEEK_DATA), size)
        except OSError:  # ENXIO: nothing but a hole up to the end
            data = size
        if data > position:
            yield position, data, False
        if data < size:
            hole = min(os.lseek(descriptor, data, os.SEEK_HOLE), size)
            yield data, hole, True
            data = hole
        position = data
