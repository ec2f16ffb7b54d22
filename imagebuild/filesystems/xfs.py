"""XFS: V5, and V4 for the readers that know nothing newer. Sources: mkfs.xfs(8) and xfs_growfs(8) of xfsprogs 6.1,
fs/xfs/libxfs/xfs_format.h."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from imagebuild.bootloaders.model import Loader
from imagebuild.filesystems.making import MIB, Given, Making, Settings, flat
from imagebuild.filesystems.model import Checker, Filesystem, Grow, KernelFill, Remade
from imagebuild.formats.superblocks import Superblock, text_of, uuid_of
from imagebuild.recipe.model import FilesystemSpec

# Options that the recipe may give, and the keys of their `key=value` pairs.
_KEYS: Mapping[str, tuple[str, ...]] = {
    "-m": ("crc", "finobt", "rmapbt", "reflink", "bigtime", "inobtcount"),
    "-i": ("size", "maxpct", "sparse", "attr", "nrext64"),
    "-n": ("size", "ftype"),
    "-d": ("agcount", "agsize", "su", "sw", "sunit", "swidth", "cowextsize", "extszinherit"),
    "-l": ("size", "su", "sunit"),
}
# mkfs.xfs 6.1's own defaults; what it is told for a reader of V4.
_V5 = {
    "-m": {"crc": "1", "finobt": "1", "rmapbt": "0", "reflink": "1", "bigtime": "1", "inobtcount": "1"},
    "-i": {"size": "512", "sparse": "1", "nrext64": "0"},
    "-n": {"size": "4096", "ftype": "1"},
    "-d": {"agcount": "4"},
    "-l": {"size": "67108864"},
}
_V4 = {
    "-m": {"crc": "0", "finobt": "0", "rmapbt": "0", "reflink": "0", "bigtime": "0", "inobtcount": "0"},
    "-i": {"size": "256", "sparse": "0", "nrext64": "0"},
    "-n": {"size": "4096", "ftype": "0"},
    "-d": {"agcount": "4"},
    "-l": {"size": "67108864"},
}
# What our own writer (assemble/inside/xfs) does not write: such a filesystem is filled by a kernel.
_FOR_A_KERNEL = frozenset({"rmapbt=1", "nrext64=1", "attr=1"})


def _read(data: bytes) -> Superblock | None:
    if data[:4] != b"XFSB":
        return None
    version = struct.unpack_from(">H", data, 100)[0]
    features = {"v5" if version & 0xF == 5 else "v4"}
    has_ftype = data[219] & 1 if version & 0xF == 5 else struct.unpack_from(">I", data, 200)[0] & 0x200
    if has_ftype:
        features.add("ftype")
    size = struct.unpack_from(">I", data, 4)[0]
    count = struct.unpack_from(">Q", data, 8)[0]
    uuid_, label = uuid_of(data[32:48]), text_of(data[108:120])
    return Superblock("xfs", uuid_, label, frozenset(features), "", size, count * size)


def _make(spec: FilesystemSpec, given: Given, reader: Loader | None) -> Making:
    pairs = given.pairs(tuple(_KEYS))
    wanted: dict[str, Settings] = {}
    for option, value in pairs:
        wanted.setdefault(option, {}).update(given.keyed(option, value, _KEYS[option]))
    is_v4 = (reader is not None and spec.type in reader.plain) or wanted.get("-m", {}).get("crc") == "0"
    chosen = {option: dict(keys) for option, keys in (_V4 if is_v4 else _V5).items()}
    for option, keys in wanted.items():
        chosen[option] |= keys
    if "agsize" in chosen["-d"]:
        del chosen["-d"]["agcount"]
    options = {option: ",".join(f"{key}={value}" for key, value in keys.items()) for option, keys in chosen.items()}
    if chosen["-n"]["size"] != "4096":
        raise given.refused("imagebuild makes only -n size=4096", "leave it out")
    settings = frozenset(f"{key}={value}" for option in ("-m", "-i", "-n") for key, value in chosen[option].items())
    return Making(flat(options), settings | {"xfs"}, "kernel" if settings & _FOR_A_KERNEL else "writer")


def _capacity_bytes(size_bytes: int, inodes_used: int) -> int:
    """Without the log that it is made with, inodes of 512 bytes, and 3 % for its trees and what Linux reserves of each
    group."""
    return size_bytes - 64 * MIB - 8 * MIB - inodes_used * 1024 - size_bytes // 32


XFS = Filesystem(
    name="xfs",
    read=_read,
    reader="grub-fstest",
    # It insists on unlimited files (setrlimit in its main) even when it only reads.
    checker=Checker(
        "xfs_repair", "xfsprogs", ("xfs_repair", "-n", "-f"), (1, 2), is_limited=False,
        wants_replay="valuable metadata changes in a log",
    ),
    colour="#f0c26b",
    make=_make,
    capacity_bytes=_capacity_bytes,
    least_bytes=320 * MIB,  # mkfs.xfs 6.1 wants 300 MiB
    drivers=("xfs",),
    says_mounted=r"XFS \([^)]+\): (Ending clean mount|Mounting V\d)",
    grow=Grow("xfs_growfs", "xfsprogs", "xfs_growfs /"),
    appliance_package="libguestfs-xfs",
    grub2_module="xfs",
    kernel_fill=KernelFill(("mkfs.xfs", "-q", "-f", "-m", "uuid={uuid}", "-L", "{label}")),
    # Of two with the same UUID, Linux mounts only one.
    remade=Remade(
        ("mkfs.xfs", "-q", "-f", "-m", "crc=0,uuid={uuid}", "-n", "ftype=0"), "XFS V4 without ftype", "nouuid"
    ),
)  # fmt: skip
