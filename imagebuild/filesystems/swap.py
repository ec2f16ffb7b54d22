"""Swap space, as mkswap(8) writes it (include/linux/swap.h)."""

from __future__ import annotations

import struct

from imagebuild.bootloaders.model import Loader
from imagebuild.filesystems.making import MIB, Given, Making
from imagebuild.filesystems.model import Filesystem
from imagebuild.formats.superblocks import Superblock, text_of, uuid_of
from imagebuild.recipe.model import FilesystemSpec


def _read(data: bytes) -> Superblock | None:
    if data[4086:4096] != b"SWAPSPACE2":
        return None
    last_page = struct.unpack_from("<I", data, 0x404)[0]
    uuid_, label = uuid_of(data[0x40C:0x41C]), text_of(data[0x41C:0x42C])
    return Superblock("swap", uuid_, label, size_bytes=(last_page + 1) * 4096)


def _make(_spec: FilesystemSpec, _given: Given, _reader: Loader | None) -> Making:
    return Making((), frozenset({"swap"}), "nobody")


def _capacity_bytes(size_bytes: int, _inodes_used: int) -> int:
    return size_bytes


SWAP = Filesystem(
    name="swap",
    read=_read,
    reader=None,
    checker=None,
    colour="#c9c9c9",
    make=_make,
    capacity_bytes=_capacity_bytes,
    least_bytes=16 * MIB,
    mbr_type=0x82,
)
