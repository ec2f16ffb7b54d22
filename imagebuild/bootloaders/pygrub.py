"""pygrub: Xen's reader of menus in dom0, which takes kernel and initrd out of the image (libfsimage reads it)."""

from __future__ import annotations

from imagebuild.bootloaders.model import LVM, SEPARATE, ImageRule, Loader, PlanRule, refused
from imagebuild.bootloaders.pv_grub import SUBVOLUMES
from imagebuild.vocabulary import EXT_TYPES

_OTHER_TYPE = f"use {', '.join(EXT_TYPES)}, XFS or ReiserFS for it, or {SEPARATE}"

PYGRUB = Loader(
    name="pygrub",
    title="pygrub",
    starter="Xen under pygrub",
    # It leaves that to the Xen of its machine: lz4 since 4.4, zstd since 4.15 (tools/libs/guest/
    # xg_dom_bzimageloader.c).
    unpacks=("gzip", "bzip2", "lzma", "lzo", "xz", "lz4", "zstd"),
    # Xen 4.17, tools/pygrub, read_config: the first of these that exists, before it looks for menu.lst.
    before_menu=(
        "/boot/grub/grub.cfg", "/grub/grub.cfg", "/boot/grub2/grub.cfg", "/grub2/grub.cfg",
        "/boot/isolinux/isolinux.cfg", "/boot/extlinux/extlinux.conf", "/boot/extlinux.conf",
        "/extlinux/extlinux.conf", "/extlinux.conf",
    ),
    plain=("xfs", "btrfs"),
    plan_rules=(
        *refused(("xfs",), "crc=1 ftype=1 sparse=1 rmapbt=1 reflink=1 bigtime=1 nrext64=1",
                 "Xen's libfsimage knows XFS V4 only", "code: Xen 4.17, tools/libfsimage/xfs"),
        *refused(("btrfs",), "btrfs", "Xen's libfsimage has no reader for Btrfs", "code: Xen 4.17, tools/libfsimage",
                 _OTHER_TYPE),
        *refused(EXT_TYPES, "journal_dev encrypt casefold verity", "libext2fs cannot open it",
                 "code: Xen 4.17, tools/libfsimage/ext2fs-lib"),
        SUBVOLUMES, LVM,
        PlanRule(("disk",), "not first", "refused", "it would find its files there, but the menu names (hd0,0)",
                 "make that partition the first in disk.partitions", "code: Xen 4.17, tools/pygrub"),
    ),
    image_rules=(
        ImageRule(("btrfs",), "btrfs", True, "Xen's libfsimage has no reader for it", "Xen 4.17, tools/libfsimage"),
        ImageRule(("xfs",), "v5", True, "libfsimage knows XFS V4 only", "Xen 4.17, tools/libfsimage/xfs"),
        ImageRule(("xfs",), "ftype", True, "libfsimage finds no file in such directories", "tried"),
    ),
)  # fmt: skip
