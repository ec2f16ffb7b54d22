"""Superblocks by their bytes (the integration tests read those that mkfs wrote), and LVM's metadata."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from imagebuild.filesystems.table import identify
from imagebuild.formats.lvm import read_group
from imagebuild.formats.superblocks import PROBE_BYTES
from tests.images import physical_volume


def _ext(*, compat: int = 0, incompat: int = 0, ro_compat: int = 0, state: int = 1) -> bytes:
    block = bytearray(PROBE_BYTES)
    block[1024 + 0x38 : 1024 + 0x3A] = b"\x53\xef"
    struct.pack_into("<H", block, 1024 + 0x3A, state)
    struct.pack_into("<III", block, 1024 + 0x5C, compat, incompat, ro_compat)
    block[1024 + 0x68 : 1024 + 0x78] = bytes(range(16))
    block[1024 + 0x78 : 1024 + 0x7C] = b"root"
    return bytes(block)


def _at(offset: int, content: bytes) -> bytes:
    block = bytearray(PROBE_BYTES)
    block[offset : offset + len(content)] = content
    return bytes(block)


def test_the_ext_family_is_told_apart() -> None:
    kinds = [identify(_ext()), identify(_ext(compat=4)), identify(_ext(compat=4, incompat=0x40))]
    assert [kind.type if kind else None for kind in kinds] == ["ext2", "ext3", "ext4"]


def test_ext_names_features_and_state() -> None:
    found = identify(_ext(compat=4, incompat=0x80 | 0x4, ro_compat=0x400))
    assert found is not None
    assert found.features == {"has_journal", "64bit", "needs_recovery", "metadata_csum"}
    assert "journal" in found.unclean
    assert (found.uuid, found.label) == ("00010203-0405-0607-0809-0a0b0c0d0e0f", "root")
    dirty = identify(_ext(state=0))
    assert dirty is not None
    assert "not cleanly unmounted" in dirty.unclean


def test_the_others_by_their_magic() -> None:
    swap = identify(_at(4086, b"SWAPSPACE2"))
    btrfs = identify(_at(0x10040, b"_BHRfS_M"))
    reiserfs = identify(_at(0x10000 + 50, b"\x01\x00ReIsEr2Fs"))
    xfs = identify(_at(0, b"XFSB" + struct.pack(">I", 4096) + bytes(92) + struct.pack(">H", 0xB4A5)))
    assert [item.type if item else None for item in (swap, btrfs, reiserfs, xfs)] == [
        "swap", "btrfs", "reiserfs", "xfs",
    ]  # fmt: skip
    assert xfs is not None
    assert xfs.features == {"v5"}
    assert identify(bytes(PROBE_BYTES)) is None


def test_a_volume_group_is_read() -> None:
    group = read_group(physical_volume(bytes(8 * 2**20), group="my-group", volume="root_1")[: 2**20])
    assert group is not None
    (volume,) = group.volumes
    assert (group.name, volume.name, volume.size_bytes) == ("my-group", "root_1", 8 * 2**20)
    assert volume.pieces is not None
    assert [(piece.offset_bytes, piece.size_bytes) for piece in volume.pieces] == [(2**20, 8 * 2**20)]


@given(st.binary(max_size=4096), st.integers(0, 2000))
def test_no_bytes_make_them_stumble(data: bytes, offset: int) -> None:
    volume = bytearray(physical_volume(b""))
    volume[512 + offset : 512 + offset + len(data)] = data
    read_group(bytes(volume[: 2**20]))
    identify(bytes(volume))
