"""Which filesystems and features each boot loader can read, as data: one line a rule, each with its source.

"tried" means seen on the genuine PV-GRUB under Xen, or on GRUB 0.97's own shell; "inferred" means read out of code.
"""

from __future__ import annotations

from dataclasses import dataclass

from imagebuild.formats.superblocks import Superblock
from imagebuild.vocabulary import BootLoader

# No loader finds a file there.
OPAQUE = ("swap", "LVM2_member", "nothing known")
_EXT = ("ext2", "ext3", "ext4")
_SHELL = "tried"
_CODE_097 = "inferred from GRUB 0.97's fsys_ext2fs.c"


@dataclass(frozen=True, slots=True)
class Rule:
    """`feature` of a filesystem of one of `types` ("" is the filesystem itself). `refused`: the loader cannot read it;
    else it can, with a caution."""

    types: tuple[str, ...]
    feature: str
    refused: bool
    reason: str
    source: str


_PV_GRUB: tuple[Rule, ...] = (
    # Debian's shell carries a patch for 64bit and reads it; the genuine loader does not.
    Rule(_EXT, "64bit", True, "Error 14: Filesystem compatibility error, cannot read whole file", _SHELL),
    Rule(_EXT, "inline_data", True, "small files lie inside their inodes, where 0.97 does not look", _SHELL),
    # The genuine loader booted both; where it would misread a file, the check loader-reads sees it.
    Rule(_EXT, "meta_bg", False, "0.97 looks for group descriptors in the first meta group only", _SHELL),
    Rule(_EXT, "bigalloc", False, "0.97 knows no clusters, and needs none to read a file", _SHELL),
    Rule(_EXT, "compression", True, "0.97 would hand over compressed bytes", _CODE_097),
    Rule(_EXT, "journal_dev", True, "it is a journal, not a filesystem", _CODE_097),
    Rule(_EXT, "dirdata", True, "folders hold more than 0.97 expects", _CODE_097),
    Rule(_EXT, "encrypt", False, "encrypted folders cannot be read", _CODE_097),
    Rule(_EXT, "large_dir", False, "folders with three index levels are not known to 0.97", _CODE_097),
    Rule(_EXT, "metadata_csum", False, "0.97 ignores it and boots; better without, by -O ^metadata_csum", _SHELL),
    Rule(_EXT, "block size", True, "blocks above 4 KiB do not fit 0.97's buffers", _CODE_097),
    Rule(("xfs",), "v5", True, "0.97 knows XFS V4 only: make it with -m crc=0 -n ftype=0", _SHELL),
    Rule(("xfs",), "ftype", True, "0.97 misreads folders with file types: make it with -n ftype=0", _SHELL),
    Rule(
        # Amazon's reader cannot be had, and is of 2012: nobody could stand for an image that is called good here.
        ("btrfs",), "btrfs", True,
        "the public PV-GRUB ends at its prompt, Amazon's reads it as \"beta\" only: use ext, XFS V4 or ReiserFS for "
        "/boot, or mean it for GRUB 2 (loader pvgrub2)",
        "tried; user guide",
    ),
    Rule(("btrfs",), "devices", True, "the filesystem lies on several devices", "inferred"),
    Rule(("vfat",), "vfat", False, "not among the filesystems that PV-GRUB was tested with", "user guide"),
)  # fmt: skip
_PYGRUB: tuple[Rule, ...] = (
    Rule(("btrfs",), "btrfs", True, "Xen's libfsimage has no reader for it", "Xen 4.17, tools/libfsimage"),
    Rule(("xfs",), "v5", True, "libfsimage knows XFS V4 only", "Xen 4.17, tools/libfsimage/xfs"),
    Rule(("xfs",), "ftype", True, "libfsimage finds no file in such folders", _SHELL),
)
_PVGRUB2: tuple[Rule, ...] = (
    Rule(_EXT, "metadata_csum_seed", True, "unknown to GRUB 2.06", "GRUB 2.06, grub-core/fs/ext2.c"),
    Rule(_EXT, "encrypt", False, "encrypted folders cannot be read", "GRUB 2.06, grub-core/fs/ext2.c"),
    Rule(_EXT, "journal_dev", True, "it is a journal, not a filesystem", "GRUB 2.06, grub-core/fs/ext2.c"),
)
RULES: dict[BootLoader, tuple[Rule, ...]] = {"pv-grub": _PV_GRUB, "pygrub": _PYGRUB, "pvgrub2": _PVGRUB2}


def verdict_on(loader: BootLoader, contents: Superblock | None) -> list[Rule]:
    """The rules that a filesystem runs into."""
    if contents is None:
        return []
    present = set(contents.features) | {contents.type}
    if contents.block_bytes > 4096:
        present.add("block size")
    if any(feature.startswith("devices=") and feature != "devices=1" for feature in contents.features):
        present.add("devices")
    return [rule for rule in RULES[loader] if contents.type in rule.types and rule.feature in present]
