"""GRUB 2's Xen port (pvgrub2), which reads the same menu.lst by its command legacy_configfile."""

from __future__ import annotations

from imagebuild.bootloaders.model import SEPARATE, ImageRule, Loader, PlanRule, refused
from imagebuild.bootloaders.pv_grub import SUBVOLUMES
from imagebuild.vocabulary import EXT_TYPES

_STAND_IN = "imagebuild's GRUB 2 loader: its embedded configuration names (hd0) or (hd0,0)"
_EXT_SOURCE = "GRUB 2.06, grub-core/fs/ext2.c"

GRUB2 = Loader(
    name="pvgrub2",
    title="GRUB 2 for Xen",
    starter="GRUB 2 for Xen",
    # Its own filters (grub-core/io: gzio, xzio, lzopio), in grub-core/loader/i386/xen_file.c.
    unpacks=("gzip", "lzo", "xz"),
    plan_rules=(
        *refused(EXT_TYPES,
                 "journal_dev encrypt casefold metadata_csum_seed verity inline_data bigalloc ea_inode large_dir",
                 "GRUB 2.06 does not mount it", f"code: {_EXT_SOURCE}"),
        *refused(("xfs",), "rmapbt=1 nrext64=1", "GRUB 2.06 does not mount it", "code: GRUB 2.06, grub-core/fs/xfs.c"),
        *refused(("btrfs",), "csum", "GRUB 2.06 knows the checksum crc32c only", "code: GRUB 2.06, fs/btrfs.c"),
        SUBVOLUMES,
        PlanRule(("disk",), "lvm", "refused", "it looks for menu.lst only on the whole disk or the first partition",
                 SEPARATE, _STAND_IN),
        PlanRule(("disk",), "not first", "refused", "it looks for menu.lst on the first partition",
                 "make that partition the first in disk.partitions", _STAND_IN),
    ),
    image_rules=(
        ImageRule(EXT_TYPES, "metadata_csum_seed", True, "unknown to GRUB 2.06", _EXT_SOURCE),
        ImageRule(EXT_TYPES, "encrypt", False, "encrypted directories cannot be read", _EXT_SOURCE),
        ImageRule(EXT_TYPES, "journal_dev", True, "it is a journal, not a filesystem", _EXT_SOURCE),
    ),
)  # fmt: skip
