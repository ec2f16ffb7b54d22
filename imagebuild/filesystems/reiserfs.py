"""ReiserFS 3.6. Sources: mkfs.reiserfs(8), reiserfsck(8), fs/reiserfs (struct reiserfs_super_block)."""

from __future__ import annotations

import struct

from imagebuild.bootloaders.model import Loader
from imagebuild.filesystems.making import MIB, Given, Making, flat
from imagebuild.filesystems.model import Checker, Filesystem, KernelFill
from imagebuild.formats.superblocks import Superblock, text_of, uuid_of
from imagebuild.recipe.model import FilesystemSpec

_OPTIONS = ("-h", "-s", "-t")
_VERSIONS = {b"ReIsErFs": "3.5", b"ReIsEr2F": "3.6", b"ReIsEr3F": "3.6"}
# It refuses attributes and ACLs, and hides them, unless it is asked for them; tar goes on with a warning.
_ATTRIBUTES = "user_xattr,acl"


def _read(data: bytes) -> Superblock | None:
    block = data[0x10000:0x10400]
    version = _VERSIONS.get(block[52:60])
    if version is None:
        return None
    state = struct.unpack_from("<H", block, 50)[0]
    unclean = "" if state == 1 else "it is marked as not cleanly unmounted"
    size = struct.unpack_from("<H", block, 44)[0]
    count = struct.unpack_from("<I", block, 0)[0]
    uuid_, label = uuid_of(block[84:100]), text_of(block[100:116])
    return Superblock("reiserfs", uuid_, label, frozenset({version}), unclean, size, count * size)


def _make(_spec: FilesystemSpec, given: Given, _reader: Loader | None) -> Making:
    pairs = {"-b": "4096", "-h": "r5"} | dict(given.pairs(_OPTIONS))
    return Making(("--format", "3.6", *flat(pairs)), frozenset({"reiserfs"}), "kernel")


def _capacity_bytes(size_bytes: int, inodes_used: int) -> int:
    """Without its journal of 32 MiB and its tree."""
    return size_bytes - 33 * MIB - MIB - inodes_used * 512 - size_bytes // 100


REISERFS = Filesystem(
    name="reiserfs",
    read=_read,
    reader="grub-fstest",
    checker=Checker("reiserfsck", "reiserfsprogs", ("reiserfsck", "--check", "-y"), (1, 4, 6, 8)),  # reiserfsck(8)
    colour="#d9a3c4",
    show_all=_ATTRIBUTES,
    make=_make,
    capacity_bytes=_capacity_bytes,
    least_bytes=64 * MIB,
    drivers=("reiserfs",),
    is_checked_at_boot=True,
    says_mounted=r"REISERFS \([^)]+\): (using|found reiserfs)",
    appliance_package="libguestfs-reiserfs",
    grub2_module="reiserfs",
    front_bytes=64 * 1024,
    kernel_fill=KernelFill(
        ("mkfs.reiserfs", "-q", "-ff", "-u", "{uuid}", "-l", "{label}"), mount_options=f"noatime,{_ATTRIBUTES}"
    ),
)
