"""The closed vocabulary of a build, the disk's part: see steps.py, which is where to import it from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal, assert_never

from pydantic import BaseModel, ConfigDict, Field

from imagebuild.plan.facts import BootCodeFile
from imagebuild.vocabulary import ExtType, RootType

SECTOR_BYTES = 512


class Step(BaseModel):
    """Frozen data, like everything in a plan."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PartitionEntry(Step):
    """One line of the partition table. `type_code` is MBR's (0x83 Linux, 0x82 swap, 0x8e LVM, 0x0c FAT32, 0xef EFI).

    In a GPT, `uuid` is the partition's own, and its type follows from the code (0xef02, as sgdisk says it: BIOS boot).
    """

    number: int
    start_sector: int
    sectors: int
    type_code: int
    bootable: bool = False
    uuid: str | None = None

    @property
    def start_bytes(self) -> int:
        return self.start_sector * SECTOR_BYTES

    @property
    def size_bytes(self) -> int:
        return self.sectors * SECTOR_BYTES


class CreateDisk(Step):
    """A sparse file of this size."""

    kind: Literal["create-disk"] = "create-disk"
    size_bytes: int


class WritePartitionTable(Step):
    """`disk_id`: the MBR's 32-bit disk signature; `uuid`: a GPT's own."""

    kind: Literal["write-partition-table"] = "write-partition-table"
    table: Literal["mbr", "gpt"]
    disk_id: int
    uuid: str | None = None
    partitions: tuple[PartitionEntry, ...]


class Region(Step):
    """A stretch of the image."""

    offset_bytes: int
    size_bytes: int


class Runs(Step):
    """Where a filesystem lies: its runs one after the other, or `stripe_bytes` at a time into each in turn."""

    runs: tuple[Region, ...]
    stripe_bytes: int | None = None

    @property
    def size_bytes(self) -> int:
        return sum(run.size_bytes for run in self.runs)


class _Populated(Step):
    """A filesystem with the tree's part below `mountpoint`, made in user space at its place in the image.

    `excluded`: mountpoints below this one, left as empty directories.
    """

    mountpoint: str
    excluded: tuple[str, ...]
    where: Runs
    uuid: str
    label: str | None

    @property
    def size_bytes(self) -> int:
        return self.where.size_bytes

    @property
    def region(self) -> Region | None:
        """The one stretch that it fills; None where it lies in several."""
        return self.where.runs[0] if len(self.where.runs) == 1 else None


class MakeExt(_Populated):
    """Make one of the ext family. `options` are mke2fs' own.

    `solid`: files (absolute in the whole tree) that a boot loader reads, and that must have no holes: GRUB 0.97 cannot
    read a hole behind an extent.
    """

    kind: Literal["make-ext"] = "make-ext"
    type: ExtType
    block_bytes: int
    inode_bytes: int
    inodes: int
    features: tuple[str, ...]
    options: tuple[str, ...]
    solid: tuple[str, ...]


class MakeBtrfs(_Populated):
    """Make Btrfs, with its maker's own way to fill it: it writes files whole, without holes."""

    kind: Literal["make-btrfs"] = "make-btrfs"
    options: tuple[str, ...]


class MakeXfs(_Populated):
    """Make XFS, and write the content into it: files whole, without holes where `solid` says so."""

    kind: Literal["make-xfs"] = "make-xfs"
    options: tuple[str, ...]
    solid: tuple[str, ...]


class PackTree(Step):
    """Pack the tree's part below `mountpoint` into a tar archive, for a filesystem that only a kernel can fill."""

    kind: Literal["pack-tree"] = "pack-tree"
    mountpoint: str
    excluded: tuple[str, ...]
    archive: str
    solid: tuple[str, ...]


class MakeSwap(Step):
    """Write a swap signature into the image."""

    kind: Literal["make-swap"] = "make-swap"
    where: Runs
    uuid: str
    label: str | None


class FatFile(Step):
    """A file on a FAT filesystem; its directories are made."""

    path: str
    file: BootCodeFile


class MakeFat(Step):
    """Make FAT32 at its place, with these files. `uuid` is its volume id, as blkid shows it (1234-ABCD)."""

    kind: Literal["make-fat"] = "make-fat"
    where: Runs
    options: tuple[str, ...]
    uuid: str
    label: str | None
    files: tuple[FatFile, ...]


class WriteBootCode(Step):
    """Write GRUB's code for a PC's BIOS: `first` into the disk's first sector, around the partition table, and `core`
    from `start_sector` on, where `most_sectors` are free for it."""

    kind: Literal["write-boot-code"] = "write-boot-code"
    first: BootCodeFile
    core: BootCodeFile
    start_sector: int
    most_sectors: int


# --- what needs a kernel: the appliance -----------------------------------------------------------------------


class PhysicalVolume(Step):
    partition_number: int
    uuid: str


class CreateVolumeGroup(Step):
    kind: Literal["create-volume-group"] = "create-volume-group"
    name: str
    physical_volumes: tuple[PhysicalVolume, ...]


class Extents(Step):
    """Extents of one physical volume: `count` from `first` on, in the partition `partition_number`."""

    partition_number: int
    first: int
    count: int


class CreateLogicalVolume(Step):
    """`extents`: where it lies; striped over all of them where `stripe_bytes` is given, else one behind the other."""

    kind: Literal["create-logical-volume"] = "create-logical-volume"
    volume_group: str
    name: str
    extents: tuple[Extents, ...]
    stripe_bytes: int | None


class Fill(Step):
    """An archive, and the subvolume that it is unpacked into (None: the filesystem itself)."""

    archive: str
    subvolume: str | None = None


class MakeAndFill(Step):
    """Make a filesystem that only a kernel can fill, and unpack archives into it.

    `device` is /dev/VG/LV, `image` (the whole disk) or `imageN` (a partition).
    """

    kind: Literal["make-and-fill"] = "make-and-fill"
    type: RootType
    device: str
    options: tuple[str, ...]
    uuid: str
    label: str | None
    fills: tuple[Fill, ...]


class SettleVolumeGroup(Step):
    """Write the group's metadata again in each of its physical volumes (`places`): its UUIDs are computed, not drawn.

    `volumes`: the logical volumes' UUIDs by their names.
    """

    kind: Literal["settle-volume-group"] = "settle-volume-group"
    name: str
    uuid: str
    volumes: tuple[tuple[str, str], ...]
    places: tuple[Region, ...]


# --- the phases -----------------------------------------------------------------------------------------------

BlankStep = CreateDisk | WritePartitionTable | MakeSwap | MakeFat | WriteBootCode
PopulateStep = Annotated[MakeExt | MakeBtrfs | MakeXfs | PackTree, Field(discriminator="kind")]
ApplianceStep = CreateVolumeGroup | CreateLogicalVolume | MakeAndFill
DiskStep = Annotated[
    CreateDisk
    | WritePartitionTable
    | MakeExt
    | MakeBtrfs
    | MakeXfs
    | PackTree
    | MakeSwap
    | MakeFat
    | WriteBootCode
    | CreateVolumeGroup
    | CreateLogicalVolume
    | MakeAndFill
    | SettleVolumeGroup,
    Field(discriminator="kind"),
]


@dataclass(frozen=True, slots=True)
class Phases:
    """The disk's steps by where they are carried out; each phase is a closed union, carried out by one `match`.

    A view: in the plan's JSON the steps are one list, in their order, because its digest is the key of caches.

    `blank`: in our own process, on the file alone: the disk, its table, boot code, swap areas, FAT. `populate`: as root
    in the namespace, from the tree. `appliance`: with a kernel. `identities`: in our own process again, at the end.
    """

    blank: tuple[BlankStep, ...]
    populate: tuple[PopulateStep, ...]
    appliance: tuple[ApplianceStep, ...]
    identities: tuple[SettleVolumeGroup, ...]


def phases_of(steps: Iterable[DiskStep]) -> Phases:
    """Every step in its phase, in the plan's order. A kind without a phase is a type error."""
    blank: list[BlankStep] = []
    populate: list[PopulateStep] = []
    appliance: list[ApplianceStep] = []
    identities: list[SettleVolumeGroup] = []
    for step in steps:
        match step:
            case CreateDisk() | WritePartitionTable() | MakeSwap() | MakeFat() | WriteBootCode():
                blank.append(step)
            case MakeExt() | MakeBtrfs() | MakeXfs() | PackTree():
                populate.append(step)
            case CreateVolumeGroup() | CreateLogicalVolume() | MakeAndFill():
                appliance.append(step)
            case SettleVolumeGroup():
                identities.append(step)
            case _:
                assert_never(step)
    return Phases(tuple(blank), tuple(populate), tuple(appliance), tuple(identities))
