"""PV-GRUB: GRUB 0.97 on mini-os, the loader of EC2's PV images and of Xen's stubdom."""

from __future__ import annotations

from dataclasses import dataclass

from imagebuild.bootloaders.model import LEAVE_OUT, LVM, SEPARATE, ImageRule, Loader, PlanRule, refused
from imagebuild.vocabulary import EXT_TYPES, Layout

_EXT_CODE = "code: GRUB 0.97, fsys_ext2fs.c with Xen's ext4 patch"
_XFS_CODE = "code: GRUB 0.97, fsys_xfs.c; tried: V4 without ftype boots"
_BTRFS_2012 = "guide: Btrfs is beta; Amazon's reader is of 2012, what came later is left out (inferred)"
_INFERRED = "inferred from GRUB 0.97's fsys_ext2fs.c"


@dataclass(frozen=True, slots=True)
class MenuPlace:
    """A path at which a PV-GRUB looks for its menu; `since` is the first version that does, empty for all.

    `partition` counts from 0; None is the disk itself. Source: the EC2 user guide's chapter on user-provided kernels
    (1.03), and its later edition (1.04).
    """

    layout: Layout
    partition: int | None
    path: str
    since: str

    @property
    def place(self) -> str:
        """The device in GRUB 0.97's words."""
        return "(hd0)" if self.partition is None else f"(hd0,{self.partition})"

    @property
    def is_first(self) -> bool:
        """Whether every PV-GRUB looks there: the disk itself, or its first partition."""
        return not self.partition


MENU_PLACES: tuple[MenuPlace, ...] = (
    MenuPlace("hd0", None, "/boot/grub/menu.lst", ""),
    MenuPlace("hd00", 0, "/boot/grub/menu.lst", ""),
    MenuPlace("hd00", 0, "/grub/menu.lst", "1.04"),
    *(
        MenuPlace("hd00", number, path, "1.04")
        for number in (1, 2, 3)
        for path in ("/boot/grub/menu.lst", "/grub/menu.lst")
    ),
)

# What it reads first of either disk, in its own words.
BOOT_DEVICES: dict[Layout, str] = {at.layout: at.place for at in MENU_PLACES if at.is_first}

# So it is with the other loaders.
SUBVOLUMES = PlanRule(("btrfs",), "subvolumes", "refused", "it looks for its files in the top-level volume, not in one",
                      LEAVE_OUT, "code: Xen's fsys_btrfs.c; GRUB 2.06, btrfs.c (find_path)")  # fmt: skip

_PLAN_RULES = (
    *refused(EXT_TYPES, "64bit", "it reads no file of a 64bit filesystem (Error 14)", "tried"),
    *refused(EXT_TYPES, "inline_data", "it does not look for a file inside its inode", "tried: ends at its prompt"),
    *refused(EXT_TYPES, "meta_bg", "it looks for group descriptors elsewhere", _EXT_CODE),
    *refused(EXT_TYPES, "bigalloc", "it counts blocks, not clusters", _EXT_CODE),
    *refused(EXT_TYPES, "journal_dev encrypt casefold ea_inode large_dir dirdata metadata_csum_seed verity orphan_file",
             "it does not know this feature", _EXT_CODE),
    PlanRule(EXT_TYPES, "metadata_csum", "noted", "PV-GRUB ignores checksums; it boots", "", "tried"),
    *refused(("xfs",), "crc=1", "it knows XFS V4 only", "tried: V4 boots; " + _XFS_CODE),
    *refused(("xfs",), "ftype=1", "it misreads directories that hold file types", _XFS_CODE),
    *refused(("xfs",), "sparse=1 rmapbt=1 reflink=1 bigtime=1 nrext64=1", "it does not know this", _XFS_CODE),
    PlanRule(("btrfs",), "btrfs", "noted",
             "Btrfs is beta: only Amazon's own PV-GRUB and GRUB 2 read it, the public PV-GRUB does not",
             "", "guide; tried: the public one ends at its prompt"),
    *refused(("btrfs",), "extref skinny-metadata no-holes mixed-bg", "it is newer than the reader", _BTRFS_2012),
    *refused(("btrfs",), "csum", "it knows the checksum crc32c only", _BTRFS_2012),
    *refused(("btrfs",), "compress", "it would be handed compressed kernels after an update",
             _BTRFS_2012, "leave compress out of mount_options, or " + SEPARATE),
    SUBVOLUMES, LVM,
    PlanRule(("disk",), "not first", "refused", "it expects the boot partition first",
             "make that partition the first in disk.partitions", "guide; tried: it ends at its prompt"),
    PlanRule(("disk",), "gpt", "noted", "PV-GRUB reads GPT from version 1.04 on (an AKI of 1.03 does not boot it)",
             "", "later guide"),
)  # fmt: skip

_IMAGE_RULES = (
    # Debian's shell carries a patch for 64bit and reads it; the genuine loader does not.
    ImageRule(EXT_TYPES, "64bit", True, "Error 14: Filesystem compatibility error, cannot read whole file", "tried"),
    ImageRule(EXT_TYPES, "inline_data", True, "small files lie inside their inodes, where 0.97 does not look", "tried"),
    # The genuine loader booted both; where it would misread a file, the check loader-reads sees it.
    ImageRule(EXT_TYPES, "meta_bg", False, "0.97 looks for group descriptors in the first meta group only", "tried"),
    ImageRule(EXT_TYPES, "bigalloc", False, "0.97 knows no clusters, and needs none to read a file", "tried"),
    ImageRule(EXT_TYPES, "compression", True, "0.97 would hand over compressed bytes", _INFERRED),
    ImageRule(EXT_TYPES, "journal_dev", True, "it is a journal, not a filesystem", _INFERRED),
    ImageRule(EXT_TYPES, "dirdata", True, "directories hold more than 0.97 expects", _INFERRED),
    ImageRule(EXT_TYPES, "encrypt", False, "encrypted directories cannot be read", _INFERRED),
    ImageRule(EXT_TYPES, "large_dir", False, "0.97 does not know directories with three index levels", _INFERRED),
    ImageRule(EXT_TYPES, "metadata_csum", False,
              "0.97 ignores it and boots; better without, by -O ^metadata_csum", "tried"),
    ImageRule(EXT_TYPES, "block size", True, "blocks above 4 KiB do not fit 0.97's buffers", _INFERRED),
    ImageRule(("xfs",), "v5", True, "0.97 knows XFS V4 only: make it with -m crc=0 -n ftype=0", "tried"),
    ImageRule(("xfs",), "ftype", True, "0.97 misreads directories with file types: make it with -n ftype=0", "tried"),
    ImageRule(
        # Amazon's reader cannot be had, and is of 2012: nobody could stand for an image that is called good here.
        ("btrfs",), "btrfs", True,
        "the public PV-GRUB ends at its prompt, Amazon's reads it as \"beta\" only: use ext, XFS V4 or ReiserFS for "
        "/boot, or mean it for GRUB 2 (loader pvgrub2)",
        "tried; user guide",
    ),
    ImageRule(("btrfs",), "devices", True, "the filesystem spans several devices", "inferred"),
    ImageRule(("vfat",), "vfat", False, "not among the filesystems that PV-GRUB was tested with", "user guide"),
)  # fmt: skip

PV_GRUB = Loader(
    name="pv-grub",
    title="PV-GRUB",
    starter="PV-GRUB",
    # Xen's domain builder as mini-os has it, no lz4 and no zstd (tried: "not xen image").
    unpacks=("gzip", "bzip2", "lzma", "lzo", "xz"),
    is_grub_097=True,
    reads=(*EXT_TYPES, "xfs", "reiserfs", "vfat"),
    plain=("xfs", "btrfs"),
    ext_without=("64bit", "metadata_csum"),
    plan_rules=_PLAN_RULES,
    image_rules=_IMAGE_RULES,
)
