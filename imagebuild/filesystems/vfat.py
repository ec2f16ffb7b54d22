"""FAT: made for EFI system partitions and plain data, and met on foreign images.

Sources: mkfs.fat(8) of dosfstools 4.2, Microsoft's FAT specification ("fatgen103"): FAT32 has at least 65,525 clusters.
"""

from __future__ import annotations

import struct

from imagebuild.bootloaders.model import Loader
from imagebuild.filesystems.making import MIB, Given, Making
from imagebuild.filesystems.model import Checker, Filesystem
from imagebuild.formats.superblocks import Superblock, text_of
from imagebuild.recipe.model import FilesystemSpec


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


def _make(_spec: FilesystemSpec, _given: Given, _reader: Loader | None) -> Making:
    """FAT32 with clusters of one sector: so it is FAT32 from 34 MiB on, as firmware wants it.

    --invariant: the time of its making is a constant.
    """
    return Making(("-F", "32", "-s", "1", "--invariant"), frozenset({"vfat"}), "mtools")


def _capacity_bytes(size_bytes: int, _inodes_used: int) -> int:
    """Without two tables of four bytes a cluster of 512, and the reserved sectors."""
    return size_bytes - size_bytes // 512 * 8 - MIB


VFAT = Filesystem(
    name="vfat",
    read=_read,
    reader="grub-fstest",
    checker=Checker("fsck.fat", "dosfstools", ("fsck.fat", "-n"), (1,)),
    colour="#f2e38b",
    mounted_as=("vfat", "msdos", "umsdos"),
    make=_make,
    capacity_bytes=_capacity_bytes,
    least_bytes=34 * MIB,
    drivers=("vfat",),
    is_checked_at_boot=True,
    knows_owners=False,
    usual_options="umask=0077",
    short_id=True,
    mbr_type=0x0C,
)
