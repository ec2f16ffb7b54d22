"""How large a filesystem of each type has to be for its content. Bounds on the safe side, tried with Debian trees.

Sources: ext.py for ext2 to ext4; mkfs.xfs 6.1 (300 MiB at the least, and the log that mkfs.py asks for), xfs's inodes
of 512 bytes, and 3 % for its trees and what Linux reserves of each group; mkfs.btrfs 6.2 (metadata twice, chunks of
both kinds); reiserfs's journal of 32 MiB and its tree.
"""

from __future__ import annotations

from imagebuild.filesystems import ext
from imagebuild.filesystems.ext import MIB
from imagebuild.vocabulary import FilesystemType

_LEAST = {"swap": 16 * MIB, "xfs": 320 * MIB, "btrfs": 160 * MIB, "reiserfs": 64 * MIB}


def least_bytes(kind: FilesystemType) -> int:
    """Below that the type's own tool refuses, or nothing fits."""
    return _LEAST.get(kind, MIB)


def floor_bytes(kind: FilesystemType) -> int:
    """What a filesystem gets at the least when its size is computed."""
    return _LEAST.get(kind, 16 * MIB)


def capacity_bytes(kind: FilesystemType, size_bytes: int, inodes_used: int) -> int:
    """How much content fits for certain."""
    match kind:
        case "ext2" | "ext3" | "ext4":
            return ext.capacity_bytes(size_bytes, inodes_used)
        case "xfs":
            overhead = 64 * MIB + 8 * MIB + inodes_used * 1024 + size_bytes // 32
        case "btrfs":
            # mkfs.btrfs 6.2 with --rootdir and --shrink: two chunks of metadata, and data chunks of a tenth of the
            # whole, the last of them hardly used. Tried from an empty folder up to 700 MiB.
            return max(0, (size_bytes - 104 * MIB - inodes_used * 4096) * 5 // 7)
        case "reiserfs":
            overhead = 33 * MIB + MIB + inodes_used * 512 + size_bytes // 100
        case "swap":
            overhead = 0
    return max(0, size_bytes - overhead)


def size_for(kind: FilesystemType, content_bytes: int, inodes_used: int) -> int:
    """The smallest size in whole MiB (or nearly) whose capacity is at least `content_bytes`."""
    size = max(least_bytes(kind), -(-content_bytes // MIB) * MIB + 8 * MIB)
    while (lack := content_bytes - capacity_bytes(kind, size, inodes_used)) > 0:
        size += -(-lack // MIB) * MIB
    return size
