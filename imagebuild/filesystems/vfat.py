"""FAT as it is met on foreign images; imagebuild makes none."""

from __future__ import annotations

import struct

from imagebuild.filesystems.model import Checker, Known
from imagebuild.formats.superblocks import Superblock, text_of


def _read(data: bytes) -> Superblock | None:
    if data[510:512] != b"\x55\xaa":
        return None
    for at, offset in ((0x52, 0x43), (0x36, 0x27)):
        if data[at : at + 3] == b"FAT":
            serial = struct.unpack_from("<I", data, offset)[0]
            label = text_of(data[offset + 4 : offset + 15])
            sectors = struct.unpack_from("<H", data, 0x13)[0] or struct.unpack_from("<I", data, 0x20)[0]
            size_bytes = sectors * struct.unpack_from("<H", data, 0x0B)[0]
            return Superblock("vfat", f"{serial >> 16:04X}-{serial & 0xFFFF:04X}", label, size_bytes=size_bytes)
    return None


VFAT = Known(
    name="vfat",
    read=_read,
    reader="grub-fstest",
    checker=Checker("fsck.fat", "dosfstools", ("fsck.fat", "-n"), (1,)),
    colour="#f2e38b",
    mounted_as=("vfat", "msdos", "umsdos"),
)
