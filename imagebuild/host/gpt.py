"""The GUIDs of a GPT, replaced: libparted draws them at random and lets nobody choose.

Source: UEFI specification 2.10, 5.3 "GUID Partition Table (GPT) Disk Layout": the header lies in the disk's second
sector and again in its last one; both carry the disk's GUID, a CRC-32 of themselves and one of the entries.
"""

from __future__ import annotations

import struct
import uuid
import zlib
from collections.abc import Sequence
from typing import IO

SECTOR_BYTES = 512
_SIGNATURE = b"EFI PART"
_HEADER = struct.Struct("<8sIIIIQQQQ16sQIII")
_OWN_GUID = 16  # offset in an entry, behind the type's GUID


def set_identities(image: IO[bytes], disk: str, partitions: Sequence[str]) -> None:
    """Give the disk and its partitions (in the order of their numbers) these GUIDs, in both copies of the table."""
    _set(image, 1, disk, partitions)
    image.seek(SECTOR_BYTES)
    backup = _HEADER.unpack(image.read(_HEADER.size))[6]
    _set(image, backup, disk, partitions)


def _set(image: IO[bytes], sector: int, disk: str, partitions: Sequence[str]) -> None:
    image.seek(sector * SECTOR_BYTES)
    raw = bytearray(image.read(SECTOR_BYTES))
    fields = list(_HEADER.unpack_from(raw))
    assert fields[0] == _SIGNATURE, "libparted has written it there"
    header_bytes, entries_sector, count, entry_bytes = fields[2], fields[10], fields[11], fields[12]
    image.seek(entries_sector * SECTOR_BYTES)
    entries = bytearray(image.read(count * entry_bytes))
    for number, guid in enumerate(partitions):
        start = number * entry_bytes + _OWN_GUID
        entries[start : start + 16] = uuid.UUID(guid).bytes_le
    image.seek(entries_sector * SECTOR_BYTES)
    image.write(entries)
    fields[9], fields[13], fields[3] = uuid.UUID(disk).bytes_le, zlib.crc32(entries), 0
    _HEADER.pack_into(raw, 0, *fields)
    fields[3] = zlib.crc32(bytes(raw[:header_bytes]))
    _HEADER.pack_into(raw, 0, *fields)
    image.seek(sector * SECTOR_BYTES)
    image.write(raw)
