"""What the first sectors of a disk image say: is there a partition table, and could a BIOS start from it?

Sources: the PC's master boot record (code in bytes 0 to 439, four entries from 446, 0x55AA at 510); UEFI specification,
chapter 5 (GPT header in sector 1, entries of 128 bytes, attribute bit 2 = legacy BIOS bootable).
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

TableKind = Literal["none", "mbr", "gpt"]

NEEDED_BYTES = 34 * 512
"""How much of the image `read_first_sectors` looks at: the MBR, the GPT header and its 128 entries."""

_PROTECTIVE = 0xEE
_BIOS_BOOT = uuid.UUID("21686148-6449-6e6f-744e-656564454649").bytes_le
_LEGACY_BOOTABLE = 1 << 2
_ESP, _ESP_CODE = uuid.UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b").bytes_le, 0xEF


@dataclass(frozen=True, slots=True)
class FirstSectors:
    """`boot_code`: the MBR holds a program. `flagged`: a partition is marked as the one to start from. `esp`: one is an
    EFI system partition."""

    table: TableKind
    boot_code: bool
    flagged: bool
    esp: bool = False

    def why_not_hvm(self, *, bios: bool = True, uefi: bool = False) -> str | None:
        """Why an HVM instance (which starts as a PC does) could not boot this disk; None: nothing speaks against it."""
        if self.table == "none":
            return "it has no partition table: a PC's BIOS cannot start it"
        if uefi and not self.esp:
            return "it has no EFI system partition"
        if not bios:
            return None
        if not self.boot_code:
            return "its master boot record has no boot code: no loader is installed for a PC's BIOS"
        if not self.flagged:
            return "no partition is flagged as bootable"
        return None


def read_first_sectors(data: bytes, size_bytes: int) -> FirstSectors:
    """The facts, from the first `NEEDED_BYTES` of an image of `size_bytes`. Total: never raises on bad bytes.

    A file system's own first sector may end in 0x55AA too: only plausible entries make a partition table.
    """
    if len(data) < 512 or data[510:512] != b"\x55\xaa":
        return FirstSectors("none", False, False)
    entries = [struct.unpack_from("<B3xB3xII", data, 446 + 16 * number) for number in range(4)]
    used = [entry for entry in entries if entry[1]]
    boot_code = any(data[:440])
    if any(entry[1] == _PROTECTIVE for entry in used) and data[512:520] == b"EFI PART":
        return FirstSectors("gpt", boot_code, _gpt_flagged(data), _ESP in set(_gpt_types(data)))
    sectors = size_bytes // 512
    plausible = all(status in (0, 0x80) and 0 < start < sectors and length for status, _, start, length in used)
    if not used or not plausible:
        return FirstSectors("none", False, False)
    flagged, esp = any(entry[0] == 0x80 for entry in used), any(entry[1] == _ESP_CODE for entry in used)
    return FirstSectors("mbr", boot_code, flagged, esp)


def _gpt_types(data: bytes) -> Iterator[bytes]:
    yield from (data[offset : offset + 16] for offset in range(1024, len(data) - 127, 128))


def _gpt_flagged(data: bytes) -> bool:
    for offset in range(1024, len(data) - 127, 128):
        kind = data[offset : offset + 16]
        attributes = struct.unpack_from("<Q", data, offset + 48)[0]
        if kind == _BIOS_BOOT or (any(kind) and attributes & _LEGACY_BOOTABLE):
            return True
    return False
