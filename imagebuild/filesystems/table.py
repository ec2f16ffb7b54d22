"""The filesystems by blkid's word for each, and what is asked of whichever it is: identify, make, size.

Sizes are bounds on the safe side, tried with Debian trees.
"""

from __future__ import annotations

from collections.abc import Mapping

from imagebuild.bootloaders.model import Loader
from imagebuild.filesystems.btrfs import BTRFS
from imagebuild.filesystems.ext import EXT2, EXT3, EXT4
from imagebuild.filesystems.making import MIB, Given, Making
from imagebuild.filesystems.model import Filesystem, Known
from imagebuild.filesystems.reiserfs import REISERFS
from imagebuild.filesystems.swap import SWAP
from imagebuild.filesystems.vfat import VFAT
from imagebuild.filesystems.xfs import XFS
from imagebuild.formats.lvm import read_label
from imagebuild.formats.superblocks import PROBE_BYTES, Superblock
from imagebuild.recipe.model import FilesystemSpec
from imagebuild.vocabulary import FilesystemType

FILESYSTEMS: Mapping[FilesystemType, Filesystem] = {
    item.name: item for item in (EXT2, EXT3, EXT4, XFS, BTRFS, REISERFS, SWAP, VFAT)
}
KNOWN: Mapping[str, Known] = {item.name: item for item in FILESYSTEMS.values()}
_COMPUTED_LEAST_BYTES = 16 * MIB


def known(name: str) -> Known | None:
    """The type with that name; None where it is none that is known."""
    return KNOWN.get(name)


def identify(data: bytes) -> Superblock | None:
    """The superblock in the first `PROBE_BYTES` of a partition or disk; None when nothing is recognised."""
    padded = data[:PROBE_BYTES].ljust(PROBE_BYTES, b"\0")
    for read in (read_label, *dict.fromkeys(item.read for item in KNOWN.values())):
        if found := read(padded):
            return found
    return None


def making(spec: FilesystemSpec, key: str, reader: Loader | None) -> Making:
    """How to make it. `reader`: the boot loader that has to read it, None for a kernel alone. Raises PlanError."""
    return FILESYSTEMS[spec.type].make(spec, Given(spec, key), reader)


def least_bytes(kind: FilesystemType) -> int:
    """Below that the type's own tool refuses, or nothing fits."""
    return FILESYSTEMS[kind].least_bytes or MIB


def floor_bytes(kind: FilesystemType) -> int:
    """What a filesystem gets at the least when its size is computed."""
    return FILESYSTEMS[kind].least_bytes or _COMPUTED_LEAST_BYTES


def capacity_bytes(kind: FilesystemType, size_bytes: int, inodes_used: int) -> int:
    """How much content fits for certain."""
    return max(0, FILESYSTEMS[kind].capacity_bytes(size_bytes, inodes_used))


def size_for(kind: FilesystemType, content_bytes: int, inodes_used: int) -> int:
    """The smallest size in whole MiB (or nearly) whose capacity is at least `content_bytes`."""
    size = max(least_bytes(kind), -(-content_bytes // MIB) * MIB + 8 * MIB)
    while (lack := content_bytes - capacity_bytes(kind, size, inodes_used)) > 0:
        size += -(-lack // MIB) * MIB
    return size
