"""Where a sparse file holds data: lseek(2), SEEK_DATA and SEEK_HOLE. Reading a hole would cost time for nothing."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass

_ALIGNMENT = 4096
_SMALLEST_HOLE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Extent:
    """Bytes `start` to `end` (exclusive) of a file."""

    start: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.start


def data_extents(descriptor: int, size_bytes: int) -> tuple[Extent, ...]:
    """The extents that hold data, in order, starting at multiples of 4096; holes below 64 KiB count as data.

    A file system that knows no holes answers with one extent for the whole file.
    """
    merged: list[Extent] = []
    for extent in _found(descriptor, size_bytes):
        start = extent.start // _ALIGNMENT * _ALIGNMENT
        end = min(-(-extent.end // _ALIGNMENT) * _ALIGNMENT, size_bytes)
        if merged and start - merged[-1].end < _SMALLEST_HOLE_BYTES:
            merged[-1] = Extent(merged[-1].start, end)
        else:
            merged.append(Extent(start, end))
    return tuple(merged)


def _found(descriptor: int, size_bytes: int) -> Iterator[Extent]:
    position = 0
    while position < size_bytes:
        try:
            start = os.lseek(descriptor, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # no data behind `position`
                return
            raise
        end = os.lseek(descriptor, start, os.SEEK_HOLE)
        yield Extent(start, min(end, size_bytes))
        position = end


def read_extent(descriptor: int, extent: Extent, piece_bytes: int) -> Iterator[bytes]:
    """The bytes of an extent, in pieces of `piece_bytes` (the last may be shorter).

    Raises OSError(EIO) when the file is shorter than the extent says: it was cut while being read.
    """
    position = extent.start
    while position < extent.end:
        piece = os.pread(descriptor, min(piece_bytes, extent.end - position), position)
        if not piece:
            raise OSError(errno.EIO, "the file became shorter while it was read")
        position += len(piece)
        yield piece
