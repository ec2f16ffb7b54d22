"""A filesystem made in a file of its own, brought to its place in the image: holes stay holes, stripes are dealt."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from imagebuild.errors import BuildError
from imagebuild.host.sparse import data_extents
from imagebuild.plan.disk_vocabulary import Region, Runs


def pieces(where: Runs, start: int, length: int) -> Iterator[tuple[int, int]]:
    """Where the filesystem's bytes from `start` on lie in the image: (offset, length), in order."""
    while length > 0:
        offset, most = _place(where, start)
        part = min(length, most)
        yield offset, part
        start += part
        length -= part


def _place(where: Runs, position: int) -> tuple[int, int]:
    """The place of one byte, and how many more follow it there."""
    if where.stripe_bytes:
        stripe, inside = divmod(position, where.stripe_bytes)
        row, column = divmod(stripe, len(where.runs))
        offset = where.runs[column].offset_bytes + row * where.stripe_bytes + inside
        return offset, where.stripe_bytes - inside
    for run in where.runs:
        if position < run.size_bytes:
            return run.offset_bytes + position, run.size_bytes - position
        position -= run.size_bytes
    raise AssertionError("beyond the end of the filesystem")


@contextlib.contextmanager
def staged(where: Runs, image: Path, scratch: Path) -> Iterator[Path]:
    """A file of the filesystem's size in the directory `scratch`; its content at the end is brought into the image."""
    path = scratch / "staged-filesystem"
    with path.open("wb") as file:
        file.truncate(where.size_bytes)
    yield path
    with _filling_the_image():
        _deal_out(path, where, image)
    path.unlink()


@contextlib.contextmanager
def copied(populated: Path, where: Runs, image: Path, scratch: Path) -> Iterator[tuple[Path, int]]:
    """A copy of the filesystem in the file `populated` to be changed: the file that it is in, and its offset there.

    One stretch of the image is filled at once, and several at the end, from a file in `scratch`.
    """
    if len(where.runs) == 1:
        with _filling_the_image():
            _deal_out(populated, where, image)
        yield image, where.runs[0].offset_bytes
        return
    with staged(where, image, scratch) as target:
        alone = Runs(runs=(Region(offset_bytes=0, size_bytes=where.size_bytes),))
        with _filling_the_image():
            _deal_out(populated, alone, target)
        yield target, 0


@contextlib.contextmanager
def _filling_the_image() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BuildError(
            f"copying a filesystem into the image failed: {error.strerror}",
            resolution="free some space there, or build elsewhere (-o)",
        ) from error


def _deal_out(path: Path, where: Runs, image: Path) -> None:
    with path.open("rb", buffering=0) as source, image.open("r+b", buffering=0) as target:
        for extent in data_extents(source.fileno()):
            source.seek(extent.start)
            for offset, part in pieces(where, extent.start, extent.length):
                target.seek(offset)
                _copy(source.fileno(), target.fileno(), part)


def _copy(source: int, target: int, length: int) -> None:
    """From one file's position to the other's, inside the kernel (sendfile(2))."""
    while length > 0:
        sent = os.sendfile(target, source, None, length)
        if sent == 0:
            raise OSError(5, "the file ended too soon")
        length -= sent
