"""The short way over zeros gives the same checksum."""

from __future__ import annotations

import random

import pytest

from imagebuild.assemble.inside.xfs_writer.attributes import hash_name
from imagebuild.assemble.inside.xfs_writer.checksum import sealed
from imagebuild.formats.crc32c import crc32c


@pytest.mark.parametrize(("size", "used"), [(512, 300), (4096, 65), (4096, 4096), (512, 0), (4096, 4031), (512, 445)])
def test_sealed(size: int, used: int) -> None:
    block = bytearray(random.Random(size + used).randbytes(used).ljust(size, b"\0"))
    blank = bytearray(block)
    blank[100:104] = bytes(4)
    assert sealed(block, 100)[100:104] == crc32c(bytes(blank)).to_bytes(4, "little")


def test_hashes_of_names() -> None:
    """As xfs_db's `hash` command prints them."""
    assert hash_name(b".") == 0x2E
    assert hash_name(b"..") == 0x172E
