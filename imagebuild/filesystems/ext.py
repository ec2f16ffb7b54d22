"""How much an ext2, ext3 or ext4 filesystem holds, and how it is made so that GRUB 0.97 can read it.

Sources: mke2fs(8), ext2fs_default_journal_size() in e2fsprogs' mkjournal.c, the kernel's
Documentation/filesystems/ext4; what the loader reads: see rules.py.
"""

from __future__ import annotations

from imagebuild.vocabulary import ExtType

MIB = 2**20
# 4 KiB also for small boot filesystems: with the 1 KiB that mke2fs would choose there, a kernel has many more
# all-zero blocks, and each is a hole that GRUB 0.97 cannot read.
BLOCK_BYTES = 4096
INODE_BYTES = 256
_BYTES_FOR_EACH_INODE = 16384  # mke2fs.conf's inode_ratio
_GROUP_BYTES = 32768 * BLOCK_BYTES

# Every feature is named ("none" first), so that another release's mke2fs.conf cannot change the image.
_COMMON = ("none", "ext_attr", "resize_inode", "dir_index", "filetype", "sparse_super", "large_file")
_EXT4 = (
    "has_journal", "extent", "flex_bg", "huge_file", "dir_nlink", "extra_isize", "64bit", "metadata_csum",
)  # fmt: skip


def features_of(kind: ExtType, *, without: tuple[str, ...]) -> tuple[str, ...]:
    """The features to make it with. `without`: what its boot loader refuses or misreads (loaders.py)."""
    features: tuple[str, ...]
    match kind:
        case "ext2":
            features = _COMMON
        case "ext3":
            features = (*_COMMON, "has_journal")
        case "ext4":
            features = (*_COMMON, *_EXT4)
    return tuple(feature for feature in features if feature not in without)


def inode_count(size_bytes: int, inodes_used: int) -> int:
    """Enough inodes for the content and its growth, and never fewer than mke2fs itself would make."""
    return max(size_bytes // _BYTES_FOR_EACH_INODE, inodes_used * 5 // 4 + 256)


def journal_bytes(size_bytes: int) -> int:
    """The journal that mke2fs makes in a filesystem of this size."""
    blocks = size_bytes // BLOCK_BYTES
    for limit, journal_blocks in (
        (2048, 0),
        (32768, 1024),
        (256 * 1024, 4096),
        (512 * 1024, 8192),
        (4096 * 1024, 16384),
        (8192 * 1024, 32768),
        (16384 * 1024, 65536),
        (32768 * 1024, 131072),
    ):
        if blocks < limit:
            return journal_blocks * BLOCK_BYTES
    return 262144 * BLOCK_BYTES


def overhead_bytes(size_bytes: int, inodes_used: int) -> int:
    """What the filesystem keeps for itself: inode tables, bitmaps, descriptors and their copies, journal.

    Counted generously (an upper bound for ext4, and more than ext2 needs).
    """
    groups = -(-size_bytes // _GROUP_BYTES)
    # resize_inode reserves descriptor blocks for growth to 1024 times the size, in each group with a copy.
    descriptors = min(groups, 2 + groups // 4) * 4 * MIB + groups * 3 * BLOCK_BYTES
    return inode_count(size_bytes, inodes_used) * INODE_BYTES + descriptors + journal_bytes(size_bytes) + MIB


def capacity_bytes(size_bytes: int, inodes_used: int) -> int:
    """How much content fits for certain."""
    return max(0, size_bytes - overhead_bytes(size_bytes, inodes_used))


def size_for(content_bytes: int, inodes_used: int) -> int:
    """The smallest size in whole MiB whose capacity is at least `content_bytes`."""
    size = -(-content_bytes // MIB) * MIB + 8 * MIB
    while (lack := content_bytes - capacity_bytes(size, inodes_used)) > 0:
        size += -(-lack // MIB) * MIB
    return size
