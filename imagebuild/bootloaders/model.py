"""The shape of what is known about a boot loader.

A planning rule is about a *setting* of the filesystem that the loader has to read: its type, a feature of ext or Btrfs
("64bit"), an option of XFS' maker ("crc=1"), or what a mount option brings about later ("compress"); or about the disk
("gpt", "lvm", "not first"). An image rule is about what a finished filesystem's superblock says.

Sources in both: "guide" is the EC2 user guide's chapter on user-provided kernels (PV-GRUB 1.03), "later guide" its
edition for 1.04; "tried" means seen on the genuine PV-GRUB, built from the public sources and booted under Xen 4.17, or
on GRUB 0.97's own shell; "code" and "inferred" are read out of the loader's sources.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from imagebuild.vocabulary import BootLoader, FilesystemType

Verdict = Literal["refused", "noted"]
SEPARATE = "give /boot a partition of its own, first on the disk: {mount: /boot, size: 256MiB, filesystem: ext3}"
LEAVE_OUT = "leave it out, or " + SEPARATE


@dataclass(frozen=True, slots=True)
class PlanRule:
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
class ImageRule:
    """`feature` of a filesystem of one of `types` (its type for the filesystem itself). `refused`: the loader cannot
    read it; else it can, with a caution."""

    types: tuple[str, ...]
    feature: str
    refused: bool
    reason: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Loader:
    """`title` is its name for people, `starter` what unpacks the kernel for it; `unpacks`: compressions of a kernel.

    `is_grub_097`: it is GRUB 0.97's code, whose own shell can be asked; `reads`: the filesystems that this shell reads.
    `before_menu`: configurations that it takes instead of menu.lst, the first that exists. `plain`: the types of which
    it knows only an old form (XFS: V4; Btrfs: what it had in 2012). `ext_without`: features of ext that are left out
    for it, because it refuses or misreads them.
    """

    name: BootLoader
    title: str
    starter: str
    unpacks: tuple[str, ...]
    is_grub_097: bool = False
    reads: tuple[str, ...] = ()
    before_menu: tuple[str, ...] = ()
    plain: tuple[FilesystemType, ...] = ()
    ext_without: tuple[str, ...] = ()
    plan_rules: tuple[PlanRule, ...]
    image_rules: tuple[ImageRule, ...]

    def can_unpack(self, compression: str) -> bool:
        """Whether it starts a kernel of this compression ("none" is one, and each loader starts it)."""
        return compression == "none" or compression in self.unpacks


def refused(
    types: tuple[str, ...], settings: str, reason: str, source: str, cure: str = LEAVE_OUT
) -> tuple[PlanRule, ...]:
    """The same rule about each of the `settings`."""
    return tuple(PlanRule(types, setting, "refused", reason, cure, source) for setting in settings.split())


# What neither PV-GRUB nor pygrub reads.
LVM = PlanRule(("disk",), "lvm", "refused", "it cannot read inside LVM", SEPARATE, "guide; code")
