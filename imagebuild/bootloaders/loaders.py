"""What each boot loader reads, as data: one line a rule, each with its source.

A rule is about a *setting* of the filesystem that the loader has to read: its type ("xfs"), a feature of ext or Btrfs
("64bit"), an option of mkfs.xfs ("crc=1"), or what a mount option brings about later ("compress"); or about the disk
("gpt", "lvm", "not first").

Sources: "guide" is the EC2 user guide's chapter on user-provided kernels (PV-GRUB 1.03), "later guide" its edition for
1.04; "tried" means seen on the genuine PV-GRUB, built from the public sources and booted under Xen 4.17; "code" is read
out of the loader's sources.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from imagebuild.vocabulary import BootLoader

EXT = ("ext2", "ext3", "ext4")
Verdict = Literal["refused", "noted"]


@dataclass(frozen=True, slots=True)
class Rule:
    """`about`: the types of filesystem, or "disk". Refused: not planned; noted: planned, and said in the plan.

    `cure`: what to do instead.
    """

    about: tuple[str, ...]
    setting: str
    verdict: Verdict
    reason: str
    cure: str
    source: str


@dataclass(frozen=True, slots=True)
class Loader:
    """`title` is its name for people. `xfs_v4`: it knows no newer XFS. `plain_btrfs`: only what Btrfs had in 2012.

    `ext_without`: features of ext4 that are left out for it, because it refuses or misreads them.
    """

    title: str
    xfs_v4: bool
    plain_btrfs: bool
    ext_without: tuple[str, ...]
    rules: tuple[Rule, ...]


_SEPARATE = "give /boot a partition of its own, first on the disk: {mount: /boot, size: 256MiB, filesystem: ext3}"
_OTHER_TYPE = "use ext2, ext3, ext4, XFS or ReiserFS for it, or " + _SEPARATE
_LEAVE_OUT = "leave it out, or " + _SEPARATE
_097_EXT = "code: GRUB 0.97, fsys_ext2fs.c with Xen's ext4 patch"
_097_XFS = "code: GRUB 0.97, fsys_xfs.c; tried: V4 without ftype boots"
_BTRFS_2012 = "guide: Btrfs is beta; Amazon's reader is of 2012, what came later is left out (inferred)"
_STAND_IN = "imagebuild's GRUB 2 loader: its embedded configuration names (hd0) or (hd0,0)"

_LVM = Rule(("disk",), "lvm", "refused", "it cannot read inside LVM", _SEPARATE, "guide; code")
_FIRST = Rule(("disk",), "not first", "refused", "it expects the boot partition first",
              "make that partition the first in disk.partitions", "guide; tried: it ends at its prompt")  # fmt: skip
_SUBVOLUMES = Rule(("btrfs",), "subvolumes", "refused", "it looks for its files in the top-level volume, not in one",
                   _LEAVE_OUT, "code: Xen's fsys_btrfs.c; GRUB 2.06, btrfs.c (find_path)")  # fmt: skip


def _refused(types: tuple[str, ...], settings: str, reason: str, source: str, cure: str = _LEAVE_OUT) -> list[Rule]:
    return [Rule(types, setting, "refused", reason, cure, source) for setting in settings.split()]


_PV_GRUB = Loader(
    title="PV-GRUB",
    xfs_v4=True,
    plain_btrfs=True,
    ext_without=("64bit", "metadata_csum"),
    rules=(
        *_refused(EXT, "64bit", "it reads no file of a 64bit filesystem (Error 14)", "tried"),
        *_refused(EXT, "inline_data", "it does not look for a file inside its inode", "tried: ends at its prompt"),
        *_refused(EXT, "meta_bg", "it looks for group descriptors elsewhere", _097_EXT),
        *_refused(EXT, "bigalloc", "it counts blocks, not clusters", _097_EXT),
        *_refused(EXT, "journal_dev encrypt casefold ea_inode large_dir dirdata metadata_csum_seed verity orphan_file",
                  "it knows nothing of this feature", _097_EXT),
        Rule(EXT, "metadata_csum", "noted", "PV-GRUB ignores checksums; it boots", "", "tried"),
        *_refused(("xfs",), "crc=1", "it knows XFS V4 only", "tried: V4 boots; " + _097_XFS),
        *_refused(("xfs",), "ftype=1", "it misreads folders that hold file types", _097_XFS),
        *_refused(("xfs",), "sparse=1 rmapbt=1 reflink=1 bigtime=1 nrext64=1", "it knows nothing of this", _097_XFS),
        Rule(("btrfs",), "btrfs", "noted",
             "Btrfs is beta: only Amazon's own PV-GRUB and GRUB 2 read it, the public PV-GRUB does not",
             "", "guide; tried: the public one ends at its prompt"),
        *_refused(("btrfs",), "extref skinny-metadata no-holes mixed-bg", "it is newer than the reader", _BTRFS_2012),
        *_refused(("btrfs",), "csum", "it knows the checksum crc32c only", _BTRFS_2012),
        *_refused(("btrfs",), "compress", "it would be handed compressed kernels after an update",
                  _BTRFS_2012, "leave compress out of mount_options, or " + _SEPARATE),
        _SUBVOLUMES, _LVM, _FIRST,
        Rule(("disk",), "gpt", "noted", "PV-GRUB reads GPT from version 1.04 on (an AKI of 1.03 does not boot it)",
             "", "later guide"),
    ),
)  # fmt: skip

_PYGRUB = Loader(
    title="pygrub",
    xfs_v4=True,
    plain_btrfs=True,
    ext_without=(),
    rules=(
        *_refused(("xfs",), "crc=1 ftype=1 sparse=1 rmapbt=1 reflink=1 bigtime=1 nrext64=1",
                  "Xen's libfsimage knows XFS V4 only", "code: Xen 4.17, tools/libfsimage/xfs"),
        *_refused(("btrfs",), "btrfs", "Xen's libfsimage has no reader for Btrfs", "code: Xen 4.17, tools/libfsimage",
                  _OTHER_TYPE),
        *_refused(EXT, "journal_dev encrypt casefold verity", "libext2fs would not open what lies there",
                  "code: Xen 4.17, tools/libfsimage/ext2fs-lib"),
        _SUBVOLUMES, _LVM,
        Rule(("disk",), "not first", "refused", "it would find its files there, but the menu names (hd0,0)",
             "make that partition the first in disk.partitions", "code: Xen 4.17, tools/pygrub"),
    ),
)  # fmt: skip

_PVGRUB2 = Loader(
    title="GRUB 2 for Xen",
    xfs_v4=False,
    plain_btrfs=False,
    ext_without=(),
    rules=(
        *_refused(EXT, "journal_dev encrypt casefold metadata_csum_seed verity inline_data bigalloc ea_inode large_dir",
                  "GRUB 2.06 does not mount it", "code: GRUB 2.06, grub-core/fs/ext2.c"),
        *_refused(("xfs",), "rmapbt=1 nrext64=1", "GRUB 2.06 does not mount it", "code: GRUB 2.06, grub-core/fs/xfs.c"),
        *_refused(("btrfs",), "csum", "GRUB 2.06 knows the checksum crc32c only", "code: GRUB 2.06, fs/btrfs.c"),
        _SUBVOLUMES,
        Rule(("disk",), "lvm", "refused", "it looks for menu.lst on the whole disk or its first partition only",
             _SEPARATE, _STAND_IN),
        Rule(("disk",), "not first", "refused", "it looks for menu.lst on the first partition",
             "make that partition the first in disk.partitions", _STAND_IN),
    ),
)  # fmt: skip

LOADERS: dict[BootLoader, Loader] = {"pv-grub": _PV_GRUB, "pygrub": _PYGRUB, "pvgrub2": _PVGRUB2}


def rules_met(loader: BootLoader, about: str, settings: frozenset[str]) -> list[Rule]:
    """The loader's rules that these settings of a filesystem of the type `about` (or of the disk) run into."""
    return [rule for rule in LOADERS[loader].rules if about in rule.about and rule.setting in settings]
