"""Where a sparse file holds data: lseek(2), SEEK_DATA and SEEK_HOLE. To read a hole would cost time for nothing."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Extent:
    """Bytes `start` to `end` (exclusive) of a file."""

    start: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.start


def data_extents(descriptor: int, start: int = 0, end: int | None = None) -> Iterator[Extent]:
    """The extents between `start` and `end` (None: the file's end) that hold data, in order.

    A filesystem that knows no holes answers with one extent for the whole file. Each is looked for when it is asked
    for: a file that is written meanwhile gives what it holds then.
    """
    position, limit = start, os.fstat(descriptor).st_size if end is None else end
    while position < limit:
        try:
            first = os.lseek(descriptor, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole up to the end
                return
            raise
        position = os.lseek(descriptor, first, os.SEEK_HOLE)
        if first < limit:
            yield Extent(first, min(position, limit))


def aligned_extents(
    descriptor: int, size_bytes: int, *, alignment_bytes: int = 4096, smallest_hole_bytes: int = 64 * 1024
) -> tuple[Extent, ...]:
    """The extents of data, widened to multiples of `alignment_bytes`; smaller holes than that many bytes are data."""
    merged: list[Extent] = []
    for extent in data_extents(descriptor, end=size_bytes):
        start = extent.start // alignment_bytes * alignment_bytes
        end = min(-(-extent.end // alignment_bytes) * alignment_bytes, size_bytes)
        if merged and start - merged[-1].end < smallest_hole_bytes:
            start = merged.pop().start
        merged.append(Extent(start, end))
    return tuple(merged)


def read_extent(descriptor: int, extent: Extent, piece_bytes: int) -> Iterator[bytes]:
    """The bytes of an extent, in pieces of `piece_bytes` (the last may be shorter).

    Raises OSError(EIO) when the file is shorter than the extent says: it was cut while it was read.
    """
    position = extent.start
    while position < extent.end:
        piece = os.pread(descriptor, min(piece_bytes, extent.end - position), position)
        if not piece:
            raise OSError(errno.EIO, "the file became shorter while it was read")
        position += len(piece)
        yield piece
