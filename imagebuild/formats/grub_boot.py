"""GRUB 2's code for a PC's BIOS: boot.img in a disk's first sector, and the core that it loads; written and read back.

Sources: GRUB 2.06, include/grub/i386/pc/boot.h (offsets in boot.img), include/grub/offsets.h and diskboot.S
(the core's first sector ends with its list of sectors, which grows downwards, 12 bytes each: start, number, segment; a
number of 0 ends it), util/setup.c (what is written where). The core's payload is a raw LZMA stream behind a
decompressor, whose header holds both sizes (GRUB_DECOMPRESSOR_MACHINE_COMPRESSED_SIZE, …).
"""

from __future__ import annotations

import lzma
import re
import struct
from dataclasses import dataclass
from itertools import pairwise

SECTOR_BYTES = 512
# boot.img: the kernel's address and sector, the drive, and the jump that checks it.
_KERNEL_ADDRESS_AT, _KERNEL_SECTOR_AT, _DRIVE_AT, _DRIVE_CHECK_AT = 0x5A, 0x5C, 0x64, 0x66
_KERNEL_ADDRESS = 0x8000
_OWN_DRIVE, _NO_CHECK = b"\xff", b"\x90\x90"
_CODE_BYTES = 440
_SIGNATURE = b"\x55\xaa"
# What boot.img prints ("GRUB ") and its three errors, in one piece.
_TEXTS = b"GRUB \0Geom\0Hard Disk\0Read\0 Error\r\n"
_LIST_END, _LIST_ITEM = SECTOR_BYTES, struct.Struct("<QHH")
_LOAD_SEGMENT = 0x800
_MOST_ITEMS = 20
_COMPRESSED_SIZE_AT, _UNPACKED_SIZE_AT = SECTOR_BYTES + 0x08, SECTOR_BYTES + 0x0C
_MOST_UNPACKED_BYTES = 8 * 2**20
_MOST_CORE_BYTES = 2 * 2**20
_LZMA = {"id": lzma.FILTER_LZMA1, "lc": 3, "lp": 0, "pb": 2, "dict_size": 2**16}
_MODULES_MAGIC, _MODULES_HEAD, _MODULE_HEAD = b"mimg", struct.Struct("<III"), struct.Struct("<II")
_VERSION = re.compile(rb"(?<=\0)2\.\d\d[0-9A-Za-z.+~-]{0,40}(?=\0)")


@dataclass(frozen=True, slots=True)
class Stretch:
    """Sectors of the disk, in the order in which they are loaded."""

    start_sector: int
    sectors: int

    @property
    def end_sector(self) -> int:
        return self.start_sector + self.sectors


def first_sector(boot: bytes, sector: bytes, core_sector: int) -> bytes:
    """boot.img around a disk's own signature and partition table (the bytes from 440 on of `sector`)."""
    code = bytearray(boot[:_CODE_BYTES])
    struct.pack_into("<Q", code, _KERNEL_SECTOR_AT, core_sector)
    code[_DRIVE_AT : _DRIVE_AT + 1] = _OWN_DRIVE
    code[_DRIVE_CHECK_AT : _DRIVE_CHECK_AT + 2] = _NO_CHECK
    return (
        bytes(code) + sector[_CODE_BYTES : SECTOR_BYTES - 2].ljust(SECTOR_BYTES - 2 - _CODE_BYTES, b"\0") + _SIGNATURE
    )


def placed_core(core: bytes, start_sector: int) -> bytes:
    """The core for a place: in one stretch from that sector on, filled up to whole sectors."""
    whole = core.ljust(-(-len(core) // SECTOR_BYTES) * SECTOR_BYTES, b"\0")
    sectors = len(whole) // SECTOR_BYTES
    segment = _LOAD_SEGMENT + (SECTOR_BYTES >> 4)
    item = _LIST_ITEM.pack(start_sector + 1, sectors - 1, segment)
    return whole[: _LIST_END - len(item)] + item + whole[SECTOR_BYTES:]


def core_start(sector: bytes) -> int | None:
    """The sector to which boot.img jumps; None where the first sector holds no boot.img of GRUB 2."""
    if len(sector) < SECTOR_BYTES or sector[SECTOR_BYTES - 2 : SECTOR_BYTES] != _SIGNATURE or _TEXTS not in sector:
        return None
    if struct.unpack_from("<H", sector, _KERNEL_ADDRESS_AT)[0] != _KERNEL_ADDRESS:
        return None
    return int(struct.unpack_from("<Q", sector, _KERNEL_SECTOR_AT)[0])


def core_stretches(start_sector: int, sector: bytes) -> tuple[Stretch, ...] | None:
    """Where the core lies, its first sector before all; None where that sector's list is none of GRUB's."""
    found = [Stretch(start_sector, 1)]
    at, segment = _LIST_END - _LIST_ITEM.size, _LOAD_SEGMENT + (SECTOR_BYTES >> 4)
    for _ in range(_MOST_ITEMS):
        start, sectors, wanted = _LIST_ITEM.unpack_from(sector.ljust(SECTOR_BYTES, b"\0"), at)
        if sectors == 0:
            break
        if wanted != segment or sum(item.sectors for item in found) * SECTOR_BYTES > _MOST_CORE_BYTES:
            return None
        found.append(Stretch(start, sectors))
        segment += sectors * SECTOR_BYTES >> 4
        at -= _LIST_ITEM.size
    return tuple(found) if len(found) > 1 else None


def overlapping(stretches: tuple[Stretch, ...]) -> bool:
    """Whether two of them share a sector."""
    return any(left.end_sector > right.start_sector for left, right in pairwise(sorted(
        stretches, key=lambda item: item.start_sector)))  # fmt: skip


def unpacked_core(core: bytes) -> bytes | None:
    """The kernel and the modules in a core; None where they cannot be unpacked to the size that it states, or where the
    modules do not follow each other to the end (the stream has no checksum).

    The stream lies behind a decompressor whose length is stated nowhere: it is found by trying.
    """
    if len(core) < _UNPACKED_SIZE_AT + 4:
        return None
    packed, unpacked = (int(struct.unpack_from("<I", core, at)[0]) for at in (_COMPRESSED_SIZE_AT, _UNPACKED_SIZE_AT))
    if not 0 < unpacked <= _MOST_UNPACKED_BYTES or not 0 < packed <= len(core):
        return None
    for at in range(SECTOR_BYTES + 0x200, min(len(core) - packed + 1, SECTOR_BYTES + 0x2000)):
        if core[at] == 0 and (found := _unpacked(core[at : at + packed], unpacked)) and _is_whole(found):
            return found
    return None


def _unpacked(stream: bytes, size_bytes: int) -> bytes | None:
    """A raw LZMA stream begins with a zero byte."""
    try:
        found = lzma.LZMADecompressor(format=lzma.FORMAT_RAW, filters=[_LZMA]).decompress(stream, size_bytes)
    except lzma.LZMAError:
        return None
    return found if len(found) == size_bytes else None


def _is_whole(content: bytes) -> bool:
    """Whether the list of modules leads to the very end.

    Source: include/grub/kernel.h (struct grub_module_info: magic, offset, size; then a header of type and size each).
    """
    at = content.find(_MODULES_MAGIC)
    while at >= 0:
        _, offset, size = _MODULES_HEAD.unpack_from(content.ljust(at + _MODULES_HEAD.size, b"\0"), at)
        if at + size == len(content) and _follow(content, at + offset):
            return True
        at = content.find(_MODULES_MAGIC, at + 1)
    return False


def _follow(content: bytes, at: int) -> bool:
    while at + _MODULE_HEAD.size <= len(content):
        size = _MODULE_HEAD.unpack_from(content, at)[1]
        if size < _MODULE_HEAD.size:
            return False
        at += size
    return at == len(content)


def grub_version(content: bytes) -> str:
    """The version that GRUB's own `normal` module states; empty where there is none."""
    found = _VERSION.search(content)
    return found[0].decode("ascii") if found else ""
