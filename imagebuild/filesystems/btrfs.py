"""Btrfs on one device. Sources: mkfs.btrfs(8) and btrfs-filesystem(8) of btrfs-progs 6.2, fs/btrfs (struct
btrfs_super_block)."""

from __future__ import annotations

import struct

from imagebuild.bootloaders.model import Loader
from imagebuild.filesystems.making import MIB, Filler, Given, Making, flat, switched
from imagebuild.filesystems.model import Checker, Filesystem, Grow, KernelFill
from imagebuild.formats.superblocks import Superblock, text_of, uuid_of
from imagebuild.recipe.model import FilesystemSpec

_OPTIONS = ("-O", "-n", "--csum", "-d", "-m")
# btrfs-progs 6.2's own defaults.
_FEATURES = ("extref", "skinny-metadata", "no-holes", "free-space-tree")
_NODE_BYTES = 16384
_NODE_BYTES_2012 = 4096


def _read(data: bytes) -> Superblock | None:
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
    uuid_, label = uuid_of(block[0x20:0x30]), text_of(block[0x12B:0x22B])
    return Superblock("btrfs", uuid_, label, features, unclean, size, total)


def _make(spec: FilesystemSpec, given: Given, reader: Loader | None) -> Making:
    """Its maker fills the top-level volume only: subvolumes are for a kernel."""
    plain = reader is not None and spec.type in reader.plain
    features: tuple[str, ...] = () if plain else _FEATURES
    options = {"-n": str(_NODE_BYTES_2012 if plain else _NODE_BYTES), "-d": "single", "-m": "dup"}
    settings = {"btrfs"}
    for option, value in given.pairs(_OPTIONS):
        if option == "-O":
            features = switched(features, value)
        elif option == "--csum" and value not in ("crc32c", "sha256", "blake2"):
            raise given.refused(f"--csum {value} is not possible", "use crc32c, sha256 or blake2")
        elif option in ("-d", "-m") and value not in ("single", "dup"):
            raise given.refused(f"{option} {value} needs several disks", "use single or dup: the filesystem has one")
        else:
            options[option] = value
    if options.get("--csum", "crc32c") != "crc32c":
        settings.add("csum")
    if "compress" in (spec.mount_options or ""):
        settings.add("compress")
    if spec.subvolumes:
        settings.add("subvolumes")
    # Every feature is named: those that are not wanted are switched off.
    off = (f"^{feature}" for feature in _FEATURES if feature not in features)
    listed = ",".join([*features, *off])
    filler: Filler = "kernel" if spec.subvolumes else "--rootdir"
    return Making((*flat(options), *_lists(listed)), frozenset({*settings, *features}), filler)


def _lists(listed: str) -> list[str]:
    """btrfs-progs before 6.3 take free-space-tree as a "runtime feature" only."""
    words = listed.split(",")
    runtime = [word for word in words if word.removeprefix("^") in ("free-space-tree", "quota")]
    lists = {"-O": [word for word in words if word not in runtime], "-R": runtime}
    return [word for option, names in lists.items() if names for word in (option, ",".join(names))]


def _capacity_bytes(size_bytes: int, inodes_used: int) -> int:
    """With --rootdir and --shrink: two chunks of metadata, and data chunks of a tenth of the whole, the last of them
    hardly used. Tried from an empty folder up to 700 MiB."""
    return (size_bytes - 104 * MIB - inodes_used * 4096) * 5 // 7


BTRFS = Filesystem(
    name="btrfs",
    read=_read,
    reader="grub-fstest",
    checker=Checker("btrfs", "btrfs-progs", ("btrfs", "check", "--readonly"), (1,)),
    colour="#7cc9a8",
    subvolume_prefix="btrfsvol:",
    make=_make,
    capacity_bytes=_capacity_bytes,
    least_bytes=160 * MIB,
    drivers=("btrfs",),
    says_mounted=r"BTRFS info \(device [^)]+\): (using|has|disk space)",
    grow=Grow("btrfs", "btrfs-progs", "btrfs filesystem resize max /"),
    appliance_package="libguestfs0",
    grub2_module="btrfs",
    front_bytes=64 * 1024,
    kernel_fill=KernelFill(
        ("mkfs.btrfs", "-q", "-f", "-U", "{uuid}", "-L", "{label}"), make_subvolume=("btrfs", "subvolume", "create")
    ),
)
