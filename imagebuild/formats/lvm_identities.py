"""LVM2's metadata written anew with chosen identities: what LVM draws at random, or takes from the clock, replaced.

Source: LVM2's lib/format_text/layout.h and lib/misc/crc.c; see lvm.py for how the metadata is found. The text is laid
at the start of its ring, and what older versions left in the ring is wiped.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Mapping

from imagebuild.formats.lvm import PROBE_BYTES

_SECTOR = 512
_MAGIC = b" LVM2 x[5A%r0N*>"
_HEADER_OFFSET = 4096  # mda_header_offset of lvm2's format_text.c: the metadata area follows the label's sectors
_INITIAL_CRC = 0xF597A6CF
_ID = re.compile(r'(\bid = ")[^"]*(")')


class MetadataError(ValueError):
    """There is no LVM2 metadata of the usual shape."""


def settled(data: bytes, group: str, group_id: str, volume_ids: Mapping[str, str], epoch: int) -> bytes:
    """The first MiB of a physical volume, with these identities, and `epoch` (seconds) as the time of creation.

    Raises MetadataError.
    """
    area = bytearray(data[:PROBE_BYTES])
    if area[_HEADER_OFFSET + 4 : _HEADER_OFFSET + 20] != _MAGIC:
        raise MetadataError("no metadata area at 4 KiB")
    _start, ring_bytes = struct.unpack_from("<QQ", area, _HEADER_OFFSET + 24)
    offset, length = struct.unpack_from("<QQ", area, _HEADER_OFFSET + 40)
    ring = bytes(area[_HEADER_OFFSET : _HEADER_OFFSET + ring_bytes])
    text = ring[offset : offset + length]
    text += ring[_SECTOR : _SECTOR + length - len(text)]
    new = _replaced(text.rstrip(b"\0").decode(), group, group_id, volume_ids, epoch).encode() + b"\0"
    area[_HEADER_OFFSET + _SECTOR : _HEADER_OFFSET + ring_bytes] = bytes(ring_bytes - _SECTOR)
    area[_HEADER_OFFSET + _SECTOR : _HEADER_OFFSET + _SECTOR + len(new)] = new
    # Its only raw location (a second one, for precommitted metadata, is empty): offset, size, checksum, flags.
    struct.pack_into("<QQII", area, _HEADER_OFFSET + 40, _SECTOR, len(new), checksum(new), 0)
    header = bytes(area[_HEADER_OFFSET + 4 : _HEADER_OFFSET + _SECTOR])
    struct.pack_into("<I", area, _HEADER_OFFSET, checksum(header))
    return bytes(area)


def checksum(data: bytes) -> int:
    """LVM's calc_crc: CRC-32 with an initial value of its own, and without the last inversion."""
    return zlib.crc32(data, _INITIAL_CRC ^ 0xFFFFFFFF) ^ 0xFFFFFFFF


def _replaced(text: str, group: str, group_id: str, volume_ids: Mapping[str, str], epoch: int) -> str:
    text = _with_id(text, group, group_id, 0)
    volumes = text.find("\nlogical_volumes {")
    for name, identity in volume_ids.items():
        text = _with_id(text, name, identity, volumes)
    text = re.sub(r"(creation_time = )\d+", rf"\g<1>{epoch}", text)
    text = re.sub(r'(creation_host = ")[^"]*', r"\g<1>imagebuild", text)
    # Only a hint, and the appliance's own name for the disk: as the guest will find it.
    return re.sub(r'(device = ")/dev/[a-z]+(\d+")', r"\g<1>/dev/xvda\g<2>", text)


def _with_id(text: str, section: str, identity: str, start: int) -> str:
    """The first id behind the section's opening is its own: LVM writes it first."""
    opening = re.compile(rf"^{re.escape(section)} \{{$", re.M).search(text, max(start, 0))
    found = _ID.search(text, opening.end()) if opening else None
    if found is None:
        raise MetadataError(f"no section {section} with an id")
    return text[: found.start()] + found[1] + identity + found[2] + text[found.end() :]
