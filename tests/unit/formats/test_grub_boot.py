"""GRUB's boot code written and read back; bytes of any kind never raise."""

from __future__ import annotations

import random
import struct

from imagebuild.formats.grub_boot import (
    Stretch,
    core_start,
    core_stretches,
    first_sector,
    grub_version,
    overlapping,
    placed_core,
    unpacked_core,
)
from tests.boot_code import BOOT_IMG, bios_core

TABLE = bytes(440) + bytes(range(70)) + b"\x55\xaa"


def test_the_first_sector_keeps_signature_and_table() -> None:
    sector = first_sector(BOOT_IMG, TABLE, 2048)
    assert sector[440:] == TABLE[440:]
    assert core_start(sector) == 2048
    assert (sector[0x64], sector[0x66:0x68]) == (0xFF, b"\x90\x90")


def test_another_programs_sector_is_none() -> None:
    assert core_start(TABLE) is None
    assert core_start(b"") is None
    assert core_start(first_sector(BOOT_IMG, TABLE, 1)[:510] + b"\0\0") is None


def test_a_placed_core_says_where_it_lies() -> None:
    core = placed_core(bios_core(), 1)
    assert len(core) % 512 == 0
    assert core_stretches(1, core[:512]) == (Stretch(1, 1), Stretch(2, len(core) // 512 - 1))
    assert core_stretches(1, bytes(512)) is None
    assert core_stretches(1, core[:510] + b"\0\0") is None, "another segment"


def test_a_core_is_unpacked_and_tells_its_version() -> None:
    core = placed_core(bios_core(version="2.12-9"), 1)
    unpacked = unpacked_core(core)
    assert unpacked is not None
    assert grub_version(unpacked) == "2.12-9"
    damaged = bytearray(core)
    damaged[1800:1900] = bytes(100)
    assert unpacked_core(bytes(damaged)) is None
    assert unpacked_core(core[:900]) is None
    for at in range(1600, len(core) - 600, 97):  # whatever is damaged
        spoilt = bytearray(core)
        spoilt[at] ^= 0x55
        assert unpacked_core(bytes(spoilt)) != unpacked


def test_overlaps_are_seen() -> None:
    assert overlapping((Stretch(1, 4), Stretch(4, 2)))
    assert not overlapping((Stretch(5, 2), Stretch(1, 4)))


def test_any_bytes_are_borne() -> None:
    for seed in range(50):
        data = random.Random(seed).randbytes(4096)
        core_stretches(1, data[:512])
        unpacked_core(data)
        unpacked_core(data[:520] + struct.pack("<II", 900, 2000) + data[528:])
        assert core_start(data) is None
