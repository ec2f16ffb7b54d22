"""The sha256 of a file; of an image without reading its holes."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from imagebuild.errors import Interrupted
from imagebuild.host.sparse import data_extents, read_extent
from imagebuild.recipe.named_file import open_named

_CHUNK_BYTES = 4 * 2**20
_ZEROS = memoryview(bytes(_CHUNK_BYTES))


def file_sha256(path: Path | str) -> str:
    """The sha256 of a regular file, which is read from its beginning to its end. Raises OSError."""
    with open_named(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def image_sha256(
    path: Path, stop: threading.Event | None = None, *, meter: Callable[[int, int], object] = lambda done, total: None
) -> str:
    """The sha256 of the whole file, its holes taken as the zeros that they read as.

    `meter` hears how many bytes of how many are done. Raises OSError when it cannot be read or is cut meanwhile,
    Interrupted when `stop` is set.
    """
    digest, done = hashlib.sha256(), 0
    with open_named(path) as file:
        size = os.fstat(file.fileno()).st_size
        for chunk in _chunks(file.fileno(), size):
            if stop is not None and stop.is_set():
                raise Interrupted("hashing was stopped")
            digest.update(chunk)
            done += len(chunk)
            meter(done, size)
    return digest.hexdigest()


def _chunks(descriptor: int, size_bytes: int) -> Iterator[bytes | memoryview]:
    done = 0
    for extent in data_extents(descriptor, end=size_bytes):
        yield from _zeros(extent.start - done)
        yield from read_extent(descriptor, extent, _CHUNK_BYTES)
        done = extent.end
    yield from _zeros(size_bytes - done)


def _zeros(count: int) -> Iterator[memoryview]:
    for start in range(0, count, _CHUNK_BYTES):
        yield _ZEROS[: min(count - start, _CHUNK_BYTES)]
