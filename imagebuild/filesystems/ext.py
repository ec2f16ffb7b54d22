"""ext2, ext3 and ext4: how much each holds, and how it is made so that GRUB 0.97 can read it.

Sources: mke2fs(8), resize2fs(8), ext2fs_default_journal_size() in e2fsprogs' mkjournal.c, the kernel's
Documentation/filesystems/ext4 (super.rst); what a loader reads: bootloaders/.
"""

from __future__ import annotations

import struct

from imagebuild.bootloaders.model import Loader
from imagebuild.filesystems.making import BLOCK_BYTES, INODE_BYTES, MIB, Given, Making, flat, switched
from imagebuild.filesystems.model import Checker, Filesystem, Grow
from imagebuild.formats.superblocks import Superblock, text_of, uuid_of
from imagebuild.recipe.model import FilesystemSpec
from imagebuild.vocabulary import ExtType

# Options that the recipe may give, and the keys of -E.
_OPTIONS = ("-O", "-E", "-m", "-i", "-N", "-I", "-J", "-G", "-g", "-b", "-e")
_EXTENDED = ("stride", "stripe_width", "packed_meta_blocks", "num_backup_sb", "resize", "mmp_update_interval")
_BYTES_FOR_EACH_INODE = 16384  # mke2fs.conf's inode_ratio
_GROUP_BYTES = 32768 * BLOCK_BYTES

_FEATURES_READ: dict[int, dict[int, str]] = {
    0x5C: {
        0x4: "has_journal", 0x8: "ext_attr", 0x10: "resize_inode", 0x20: "dir_index", 0x200: "sparse_super2",
        0x400: "fast_commit", 0x800: "stable_inodes", 0x1000: "orphan_file",
    },
    0x60: {
        0x1: "compression", 0x2: "filetype", 0x4: "needs_recovery", 0x8: "journal_dev", 0x10: "meta_bg",
        0x40: "extent", 0x80: "64bit", 0x100: "mmp", 0x200: "flex_bg", 0x400: "ea_inode", 0x1000: "dirdata",
        0x2000: "metadata_csum_seed", 0x4000: "large_dir", 0x8000: "inline_data", 0x10000: "encrypt",
        0x20000: "casefold",
    },
    0x64: {
        0x1: "sparse_super", 0x2: "large_file", 0x8: "huge_file", 0x10: "uninit_bg", 0x20: "dir_nlink",
        0x40: "extra_isize", 0x100: "quota", 0x200: "bigalloc", 0x400: "metadata_csum", 0x1000: "read-only",
        0x2000: "project", 0x8000: "verity", 0x10000: "orphan_present",
    },
}  # fmt: skip
_EXT4_ONLY = {"extent", "64bit", "flex_bg", "inline_data", "metadata_csum", "huge_file", "extra_isize", "bigalloc"}
# Every feature is named ("none" first), so that another release's mke2fs.conf cannot change the image.
_COMMON = ("none", "ext_attr", "resize_inode", "dir_index", "filetype", "sparse_super", "large_file")
_EXT4 = (
    "has_journal", "extent", "flex_bg", "huge_file", "dir_nlink", "extra_isize", "64bit", "metadata_csum",
)  # fmt: skip


def features_of(kind: ExtType, *, without: tuple[str, ...]) -> tuple[str, ...]:
    """The features to make it with. `without`: what its boot loader refuses or misreads (bootloaders/)."""
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


def _read(data: bytes) -> Superblock | None:
    block = data[1024:2048]
    if block[0x38:0x3A] != b"\x53\xef":
        return None
    features = {
        name
        for offset, names in _FEATURES_READ.items()
        for bit, name in names.items()
        if struct.unpack_from("<I", block, offset)[0] & bit
    }
    kind = "ext4" if features & _EXT4_ONLY else "ext3" if "has_journal" in features else "ext2"
    state = struct.unpack_from("<H", block, 0x3A)[0]
    unclean = ""
    if "needs_recovery" in features:
        unclean = "its journal needs recovery: it was not unmounted"
    elif state & 2:
        unclean = "it is marked as having errors"
    elif not state & 1:
        unclean = "it is marked as not cleanly unmounted"
    size = 1024 << min(struct.unpack_from("<I", block, 0x18)[0], 16)
    count = struct.unpack_from("<I", block, 4)[0]
    if "64bit" in features:
        count |= struct.unpack_from("<I", block, 0x150)[0] << 32
    uuid_, label = uuid_of(block[0x68:0x78]), text_of(block[0x78:0x88])
    return Superblock(kind, uuid_, label, frozenset(features), unclean, size, count * size)


def _make(spec: FilesystemSpec, given: Given, reader: Loader | None) -> Making:
    assert spec.type in ("ext2", "ext3", "ext4")
    features = features_of(spec.type, without=reader.ext_without if reader else ())
    block, inode_bytes, inodes = BLOCK_BYTES, INODE_BYTES, None
    options: dict[str, str] = {"-m": "1"}
    for option, value in given.pairs(_OPTIONS):
        match option:
            case "-O":
                features = switched(features, value)
            case "-b":
                block = given.number(option, value, (1024, 2048, 4096))
            case "-I":
                inode_bytes = given.number(option, value, (128, 256, 512, 1024))
            case "-N":
                inodes = given.number(option, value)
            case "-E":
                given.keyed(option, value, _EXTENDED)
                options[option] = value
            case _:
                options[option] = value
    return Making(flat(options), frozenset({spec.type, *features}), "mke2fs", features, block, inode_bytes, inodes)


def _type(name: ExtType, colour: str, drivers: tuple[str, ...], mounted_as: tuple[ExtType, ...]) -> Filesystem:
    return Filesystem(
        name=name,
        read=_read,
        reader="debugfs",
        # e2fsck(8): a sum of bits. 8 is also its word for what it finds no superblock in.
        checker=Checker("e2fsck", "e2fsprogs", ("e2fsck", "-f", "-n"), (1, 4, 5, 8, 12), knows_offset=True),
        colour=colour,
        mounted_as=mounted_as,
        make=_make,
        capacity_bytes=capacity_bytes,
        drivers=drivers,
        is_checked_at_boot=True,
        says_mounted=r"EXT\d-fs \([^)]+\): (re-)?mounted",
        grow=Grow("resize2fs", "e2fsprogs", 'resize2fs "$device"'),
        appliance_package="libguestfs0",
        grub2_module="ext2",
        front_bytes=1024,
    )


# Debian and others build no drivers for ext2 and ext3 (ext3's left Linux in 4.3): ext4's mounts both. Each driver takes
# what holds none of its newer features.
EXT2 = _type("ext2", "#8fc7e8", ("ext2", "ext4"), ("ext2", "ext4"))
EXT3 = _type("ext3", "#6db5e0", ("ext3", "ext4"), ("ext2", "ext3", "ext4"))
EXT4 = _type("ext4", "#56a3d9", ("ext4",), ("ext4",))
