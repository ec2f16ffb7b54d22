"""The closed vocabulary of a build: each step says all that its execution needs, and nothing is decided later.

    tree      BootstrapDebian | UnpackTar                     where the file tree comes from (cached by digest)
    edits     WriteFile | CopyFile | MakeLink | MakeFolder | GenerateInitrd | SetPassword
                                                              changes to a copy of the tree
    disk      CreateDisk, WritePartitionTable                 the empty disk
    user space MakeExt, MakeSwap                              filesystems laid straight into the image
    appliance CreateVolumeGroup, CreateLogicalVolume, CopyOntoVolume, MakeSwapOnVolume, MakeAndFill
                                                              what needs a kernel: run by libguestfs, in order

Paths inside the image are absolute and POSIX. Files beside the recipe are named as in the recipe (relative to its
folder), so that a plan is the same on every machine. Secrets are named, never held.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from imagebuild.plan.families import InitrdTool
from imagebuild.recipe.model import Architecture, Layout

SECTOR_BYTES = 512
ExtType = Literal["ext2", "ext3", "ext4"]


class _Step(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


# --- the tree -------------------------------------------------------------------------------------------------


class BootstrapDebian(_Step):
    """Bootstrap a Debian tree. `mirror` None: the machine's own apt sources."""

    kind: Literal["bootstrap-debian"] = "bootstrap-debian"
    suite: str
    variant: str
    architecture: Architecture
    mirror: str | None
    components: tuple[str, ...]
    packages: tuple[str, ...]


class UnpackTar(_Step):
    """Take the tree from an archive beside the recipe. `sha256` None: not pinned by the recipe."""

    kind: Literal["unpack-tar"] = "unpack-tar"
    path: str
    sha256: str | None


TreeSource = Annotated[BootstrapDebian | UnpackTar, Field(discriminator="kind")]


# --- edits of a copy of the tree ------------------------------------------------------------------------------


class WriteFile(_Step):
    """Write a text; parents are made, owner is root. A symbolic link at `path` is replaced, not followed."""

    kind: Literal["write-file"] = "write-file"
    path: str
    content: str
    mode: int = 0o644


class CopyFile(_Step):
    """Copy a file that stands beside the recipe; owner is root."""

    kind: Literal["copy-file"] = "copy-file"
    source: str
    path: str
    mode: int = 0o644


class MakeLink(_Step):
    """Make a symbolic link (replacing a file or link in its place)."""

    kind: Literal["make-link"] = "make-link"
    path: str
    target: str


class MakeFolder(_Step):
    """Make a folder and its parents (mode 0755, root); one that is there stays as it is."""

    kind: Literal["make-folder"] = "make-folder"
    path: str


class GenerateInitrd(_Step):
    """Generate the kernel's initrd inside the tree with the distribution's own tool, holding `modules`.

    `lvm`: and the lvm tools, for a root on LVM.
    """

    kind: Literal["generate-initrd"] = "generate-initrd"
    tool: InitrdTool
    kernel: str
    kernel_version: str
    path: str
    modules: tuple[str, ...]
    lvm: bool = False


class SetPassword(_Step):
    """Put a crypt(5) hash into /etc/shadow. `secret` is the name under which the executor is handed the hash."""

    kind: Literal["set-password"] = "set-password"
    user: str
    secret: str


Edit = Annotated[
    WriteFile | CopyFile | MakeLink | MakeFolder | GenerateInitrd | SetPassword, Field(discriminator="kind")
]


# --- the disk -------------------------------------------------------------------------------------------------


class PartitionEntry(_Step):
    """One line of the partition table. `type_code` is MBR's (0x83 Linux, 0x82 swap, 0x8e LVM)."""

    number: int
    start_sector: int
    sectors: int
    type_code: int
    bootable: bool = False

    @property
    def start_bytes(self) -> int:
        return self.start_sector * SECTOR_BYTES

    @property
    def size_bytes(self) -> int:
        return self.sectors * SECTOR_BYTES


class CreateDisk(_Step):
    """A sparse file of this size."""

    kind: Literal["create-disk"] = "create-disk"
    size_bytes: int


class WritePartitionTable(_Step):
    """`disk_id`: the MBR's 32-bit disk signature."""

    kind: Literal["write-partition-table"] = "write-partition-table"
    table: Literal["mbr"]
    disk_id: int
    partitions: tuple[PartitionEntry, ...]


class Region(_Step):
    """Where a filesystem lies in the image."""

    offset_bytes: int
    size_bytes: int


class MakeExt(_Step):
    """Make ext2, ext3 or ext4 and fill it with the tree's part below `mountpoint`, in user space.

    `region` is the place in the image; None stages the filesystem in a file named `stage` for an appliance step.
    `excluded`: mountpoints below this one, left as empty folders. `solid`: files (absolute in the whole tree) that
    a boot loader reads, and that must have no holes: GRUB 0.97 cannot read a hole behind an extent.
    """

    kind: Literal["make-ext"] = "make-ext"
    type: ExtType
    mountpoint: str
    excluded: tuple[str, ...]
    region: Region | None
    stage: str | None
    size_bytes: int
    block_bytes: int
    inodes: int
    features: tuple[str, ...]
    uuid: str
    label: str | None
    solid: tuple[str, ...]


class MakeSwap(_Step):
    """Write a swap signature into the image."""

    kind: Literal["make-swap"] = "make-swap"
    region: Region
    uuid: str
    label: str | None


# --- what needs a kernel: the appliance -----------------------------------------------------------------------


class CreateVolumeGroup(_Step):
    kind: Literal["create-volume-group"] = "create-volume-group"
    name: str
    partition_numbers: tuple[int, ...]


class Extents(_Step):
    """Extents of one physical volume: `count` from `first` on, in the partition `partition_number`."""

    partition_number: int
    first: int
    count: int


class CreateLogicalVolume(_Step):
    """`extents`: where it lies, when the plan has laid its content there already; else LVM chooses."""

    kind: Literal["create-logical-volume"] = "create-logical-volume"
    volume_group: str
    name: str
    size_bytes: int
    extents: Extents | None


class CopyOntoVolume(_Step):
    """Copy a staged filesystem onto a block device of the appliance, skipping zeros. `device`: /dev/VG/LV."""

    kind: Literal["copy-onto-volume"] = "copy-onto-volume"
    stage: str
    device: str


class MakeSwapOnVolume(_Step):
    kind: Literal["make-swap-on-volume"] = "make-swap-on-volume"
    device: str
    uuid: str
    label: str | None


class MakeAndFill(_Step):
    """Make a filesystem that only a kernel can fill, and copy a staged tree into it.

    `device` is /dev/VG/LV, /dev/sda (the whole disk) or /dev/sdaN (a partition).
    """

    kind: Literal["make-and-fill"] = "make-and-fill"
    type: Literal["xfs", "btrfs", "reiserfs"]
    device: str
    options: tuple[str, ...]
    uuid: str
    label: str | None
    stage: str


DiskStep = Annotated[
    CreateDisk
    | WritePartitionTable
    | MakeExt
    | MakeSwap
    | CreateVolumeGroup
    | CreateLogicalVolume
    | CopyOntoVolume
    | MakeSwapOnVolume
    | MakeAndFill,
    Field(discriminator="kind"),
]
ApplianceStep = CreateVolumeGroup | CreateLogicalVolume | CopyOntoVolume | MakeSwapOnVolume | MakeAndFill


# --- the plan -------------------------------------------------------------------------------------------------


class PlannedFilesystem(_Step):
    """For people and for the report: one filesystem or swap area, wherever it lies. `size_bytes` 0: not known yet."""

    place: str
    type: str
    mountpoint: str | None
    size_bytes: int
    uuid: str
    label: str | None


class PlannedEntry(_Step):
    """One entry of the menu, with paths in the tree (not as the loader sees them)."""

    title: str
    kernel: str
    initrd: str | None


class PlannedCheck(_Step):
    machine: Literal["static", "qemu", "xen"]
    what: str


class Plan(_Step):
    """All that a build will do. With `pending` empty, the plan is final and `disk` is complete."""

    format: Literal[1] = 1
    name: str
    version: str | None
    architecture: Architecture
    layout: Layout
    size_bytes: int | None
    tree: TreeSource
    edits: tuple[Edit, ...]
    disk: tuple[DiskStep, ...]
    filesystems: tuple[PlannedFilesystem, ...]
    entries: tuple[PlannedEntry, ...]
    menu: str
    fstab: str
    checks: tuple[PlannedCheck, ...]
    pending: tuple[str, ...]

    @property
    def digest(self) -> str:
        return digest_of(self)


def digest_of(part: BaseModel) -> str:
    """sha256 (hex) of a plan's or a sub-plan's canonical JSON: sorted keys, no white space, UTF-8."""
    text = json.dumps(part.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
