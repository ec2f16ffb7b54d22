"""What a partition holds, by its first bytes: which filesystem, its UUID, label and features, and whether it is clean.

Sources: the kernel's Documentation/filesystems/ext4/super.rst, fs/xfs/libxfs/xfs_format.h, fs/btrfs (struct
btrfs_super_block), fs/reiserfs (struct reiserfs_super_block), include/linux/swap.h; LVM2's label.h.
"""

from __future__ import annotations

import struct
import uuid
from dataclasses import dataclass

# All superblocks known here end before this byte (Btrfs' and ReiserFS' begin at 64 KiB).
PROBE_BYTES = 0x11000
_EXT_FEATURES: dict[int, dict[int, str]] = {
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
_REISERFS = {b"ReIsErFs": "3.5", b"ReIsEr2F": "3.6", b"ReIsEr3F": "3.6"}


@dataclass(frozen=True, slots=True)
class Superblock:
    """`type` is blkid's word: ext2, ext3, ext4, xfs, btrfs, reiserfs, vfat, swap or LVM2_member.

    `uuid` and `label` may be empty. `features`: ext's by their mke2fs names, for the others a few words (`v4`, `v5`,
    `ftype`, `devices=2`). `unclean` says why the filesystem wants a check or a journal replay; empty when it does not
    or when the superblock cannot tell. `block_bytes` is 0 where there are no blocks. `size_bytes`: how much of its
    device the filesystem says it uses, 0 where it does not say.
    """

    type: str
    uuid: str = ""
    label: str = ""
    features: frozenset[str] = frozenset()
    unclean: str = ""
    block_bytes: int = 0
    size_bytes: int = 0


def identify(data: bytes) -> Superblock | None:
    """The superblock in the first `PROBE_BYTES` of a partition or disk; None when nothing is recognised."""
    padded = data[:PROBE_BYTES].ljust(PROBE_BYTES, b"\0")
    for read in (_lvm, _ext, _xfs, _btrfs, _reiserfs, _swap, _vfat):
        if found := read(padded):
            return found
    return None


def _text(data: bytes) -> str:
    return data.split(b"\0")[0].decode("utf-8", "replace").strip()


def _uuid(data: bytes) -> str:
    return str(uuid.UUID(bytes=data)) if any(data) else ""


def _ext(data: bytes) -> Superblock | None:
    block = data[1024:2048]
    if block[0x38:0x3A] != b"\x53\xef":
        return None
    features = {
        name
        for offset, names in _EXT_FEATURES.items()
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
    uuid_, label = _uuid(block[0x68:0x78]), _text(block[0x78:0x88])
    return Superblock(kind, uuid_, label, frozenset(features), unclean, size, count * size)


def _xfs(data: bytes) -> Superblock | None:
    if data[:4] != b"XFSB":
        return None
    version = struct.unpack_from(">H", data, 100)[0]
    features = {"v5" if version & 0xF == 5 else "v4"}
    has_ftype = data[219] & 1 if version & 0xF == 5 else struct.unpack_from(">I", data, 200)[0] & 0x200
    if has_ftype:
        features.add("ftype")
    size = struct.unpack_from(">I", data, 4)[0]
    count = struct.unpack_from(">Q", data, 8)[0]
    return Superblock("xfs", _uuid(data[32:48]), _text(data[108:120]), frozenset(features), "", size, count * size)


def _btrfs(data: bytes) -> Superblock | None:
    block = data[0x10000:0x11000]
    if block[0x40:0x48] != b"_BHRfS_M":
        return None
    devices = struct.unpack_from("<Q", block, 0x88)[0]
    log_root = struct.unpack_from("<Q", block, 0x60)[0]
    unclean = "its log tree waits for a replay: it was not unmounted" if log_root else ""
    size = struct.unpack_from("<I", block, 0x90)[0]
    features = frozenset({f"devices={devices}"})
    # Of the device that this is, not of the whole filesystem: dev_item.total_bytes.
    total = struct.unpack_from("<Q", block, 0xC9 + 8)[0]
    return Superblock("btrfs", _uuid(block[0x20:0x30]), _text(block[0x12B:0x22B]), features, unclean, size, total)


def _reiserfs(data: bytes) -> Superblock | None:
    block = data[0x10000:0x10400]
    version = _REISERFS.get(block[52:60])
    if version is None:
        return None
    state = struct.unpack_from("<H", block, 50)[0]
    unclean = "" if state == 1 else "it is marked as not cleanly unmounted"
    size = struct.unpack_from("<H", block, 44)[0]
    count = struct.unpack_from("<I", block, 0)[0]
    uuid_, label = _uuid(block[84:100]), _text(block[100:116])
    return Superblock("reiserfs", uuid_, label, frozenset({version}), unclean, size, count * size)


def _swap(data: bytes) -> Superblock | None:
    if data[4086:4096] != b"SWAPSPACE2":
        return None
    last_page = struct.unpack_from("<I", data, 0x404)[0]
    return Superblock("swap", _uuid(data[0x40C:0x41C]), _text(data[0x41C:0x42C]), size_bytes=(last_page + 1) * 4096)


def _lvm(data: bytes) -> Superblock | None:
    for sector in range(4):
        label = data[sector * 512 : sector * 512 + 512]
        if label[:8] == b"LABELONE" and label[24:32] == b"LVM2 001":
            return Superblock("LVM2_member", label[32:64].decode("ascii", "replace"))
    return None


def _vfat(data: bytes) -> Superblock | None:
    if data[510:512] != b"\x55\xaa":
        return None
    for at, offset in ((0x52, 0x43), (0x36, 0x27)):
        if data[at : at + 3] == b"FAT":
            serial = struct.unpack_from("<I", data, offset)[0]
            sectors = struct.unpack_from("<H", data, 0x13)[0] or struct.unpack_from("<I", data, 0x20)[0]
            size_bytes = sectors * struct.unpack_from("<H", data, 0x0B)[0]
            uuid_, label = f"{serial >> 16:04X}-{serial & 0xFFFF:04X}", _text(data[offset + 4 : offset + 15])
            return Superblock("vfat", uuid_, label, size_bytes=size_bytes)
    return None
