"""Where a sparse file holds data: nothing is lost, and holes stay holes."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from imagebuild.host.sparse import Extent, aligned_extents, data_extents, read_extent

KIB = 1024


@pytest.fixture
def sparse(tmp_path: Path) -> Path:
    """1 MiB with data at 0, 256 KiB and (behind a small hole) 272 KiB; the rest is holes."""
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(1024 * KIB)
        for offset in (0, 256 * KIB, 272 * KIB):
            file.seek(offset)
            file.write(b"x" * 5000)
    return path


def test_all_data_lies_in_the_extents(sparse: Path) -> None:
    found = bytearray(1024 * KIB)
    with sparse.open("rb") as file:
        extents = list(data_extents(file.fileno()))
        for extent in extents:
            found[extent.start : extent.end] = b"".join(read_extent(file.fileno(), extent, 1000))
    assert bytes(found) == sparse.read_bytes()
    assert sum(extent.length for extent in extents) < 256 * KIB, "holes are not read"


def test_only_what_lies_between(sparse: Path) -> None:
    with sparse.open("rb") as file:
        extents = list(data_extents(file.fileno(), 2 * KIB, 257 * KIB))
        assert not list(data_extents(file.fileno(), 512 * KIB, 1024 * KIB))
    assert (extents[0].start, extents[-1].end) == (2 * KIB, 257 * KIB)


def test_small_holes_are_data_when_extents_are_aligned(sparse: Path) -> None:
    with sparse.open("rb") as file:
        assert len(aligned_extents(file.fileno(), 1024 * KIB)) == 2
        fine = aligned_extents(file.fileno(), 1024 * KIB, smallest_hole_bytes=1)
        wide = aligned_extents(file.fileno(), 1024 * KIB, alignment_bytes=128 * KIB)
    assert [extent.start for extent in fine] == [0, 256 * KIB, 272 * KIB]
    assert wide == (Extent(0, 128 * KIB), Extent(256 * KIB, 384 * KIB)), "the hole of 128 KiB between them stays"


def test_a_file_that_is_cut_while_it_is_read_is_an_error(sparse: Path) -> None:
    with sparse.open("rb") as file:
        os.truncate(sparse, KIB)
        with pytest.raises(OSError, match="shorter") as caught:
            list(read_extent(file.fileno(), Extent(0, 4 * KIB), KIB))
    assert caught.value.errno == errno.EIO
