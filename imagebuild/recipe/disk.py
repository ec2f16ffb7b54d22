"""The recipe's disk: layout, partitions, volume groups, filesystems."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from imagebuild.recipe.units import Extent, Percent, Size
from imagebuild.recipe.words import Model, absolute, text
from imagebuild.vocabulary import FilesystemType, Layout

# Bytes in each superblock: e2fsprogs' ext2_fs.h, xfsprogs' xfs_format.h, btrfs-progs' ctree.h (with a closing NUL),
# reiserfsprogs' reiserfs_fs.h, util-linux's swapheader.h (mkswap(8) keeps one for a NUL).
LABEL_LENGTHS = {"ext2": 16, "ext3": 16, "ext4": 16, "xfs": 12, "btrfs": 255, "reiserfs": 16, "vfat": 11, "swap": 15}


def _mountpoint(value: str) -> str:
    if any(character.isspace() for character in value):
        raise ValueError("a mountpoint must not contain white space")
    return absolute(value)


Mountpoint = Annotated[str, AfterValidator(_mountpoint), Field(examples=["/boot"])]

LvmName = Annotated[
    str,
    text(
        r"^[A-Za-z0-9_+.][A-Za-z0-9_+.-]*$", "a name in LVM holds letters, digits and _ + . -, not - first",
        max_length=100,
    ),
]  # fmt: skip
SubvolumeName = Annotated[
    str,
    text(
        r"^[A-Za-z0-9@_.][A-Za-z0-9@_.+-]*$", "a subvolume's name holds letters, digits and @ _ . + -, not - first",
        max_length=255,
    ),
]  # fmt: skip


def _filesystem(value: Any) -> Any:
    return {"type": value} if isinstance(value, str) else value


class FilesystemSpec(Model):
    """A filesystem, or swap."""

    type: FilesystemType
    label: Annotated[str, text(r"^[A-Za-z0-9_.-]+$", "a label holds letters, digits and _ . -")] | None = None
    """At most 16 characters; 11 for vfat, 12 for XFS, 15 for swap, 255 for Btrfs."""
    uuid: (
        Annotated[
            str,
            text(
                r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
                "a UUID is 32 digits, 0-9 and a-f, in groups of 8-4-4-4-12, as uuidgen prints",
            ),
        ]
        | None
    ) = None
    """Left out: computed from the recipe's name and the place on the disk."""
    mount_options: (
        Annotated[str, text(r"^[^\s]+$", "mount options are separated by commas, without white space")] | None
    ) = None
    """The fourth field of /etc/fstab."""
    mkfs: tuple[
        Annotated[str, text(r"^[A-Za-z0-9_.,=:^ -]+$", "an mkfs option holds letters, digits and _ . , = : ^ -")], ...
    ] = ()
    """More options for mkfs, such as ["-O", "^huge_file"]."""
    subvolumes: dict[SubvolumeName, Mountpoint] = Field(default_factory=dict)
    """Btrfs only: subvolumes and where each is mounted, such as {"@": /, "@home": /home}; `mount` is left out then."""

    @model_validator(mode="after")
    def _within_its_type(self) -> FilesystemSpec:
        if self.label is not None and len(self.label) > LABEL_LENGTHS[self.type]:
            raise ValueError(
                f"a label of {self.type} has at most {LABEL_LENGTHS[self.type]} characters, "
                f"{self.label} has {len(self.label)}"
            )
        if self.subvolumes and self.type != "btrfs":
            raise ValueError(f"{self.type} has no subvolumes: leave subvolumes out, or use btrfs")
        if self.mkfs and self.type == "swap":
            raise ValueError("swap takes no mkfs options: leave mkfs out")
        if self.type == "vfat" and (self.uuid or self.mkfs):
            raise ValueError("vfat takes neither uuid (its number of 32 bits is computed) nor mkfs: leave them out")
        return self


Filesystem = Annotated[
    FilesystemSpec, BeforeValidator(_filesystem, json_schema_input_type=FilesystemType | FilesystemSpec)
]


class Partition(Model):
    """One partition: a filesystem (with a mountpoint unless it is swap), or a volume group's physical volume."""

    size: Extent
    type: Literal["esp", "bios-boot"] | None = None
    """esp: the EFI system partition (vfat; mounted only with `mount`). bios-boot: GRUB's core, with table: gpt."""
    mount: Mountpoint | None = None
    filesystem: Filesystem | None = None
    volume_group: LvmName | None = None

    @model_validator(mode="before")
    @classmethod
    def _esp_is_vfat(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("type") == "esp" and "filesystem" not in value:
            return {**value, "filesystem": "vfat"}
        return value

    @model_validator(mode="after")
    def _one_use(self) -> Partition:
        if self.type == "bios-boot":
            if self.filesystem or self.volume_group or self.mount:
                raise ValueError(
                    "a bios-boot partition holds GRUB's core alone: leave filesystem, volume_group, mount out"
                )
            return self
        if self.type == "esp":
            if self.volume_group or self.filesystem is None or self.filesystem.type != "vfat":
                raise ValueError("an EFI system partition is vfat: leave volume_group and filesystem out")
            return self
        if (self.filesystem is None) == (self.volume_group is None):
            raise ValueError("a partition has either a filesystem or a volume_group")
        if self.volume_group is not None and self.mount is not None:
            raise ValueError("a partition of a volume group is not mounted itself: mount its logical volumes")
        _check_mount(self.filesystem, self.mount)
        return self


class LogicalVolume(Model):
    """One logical volume, with its filesystem."""

    name: LvmName
    size: Extent
    filesystem: Filesystem
    mount: Mountpoint | None = None
    type: Literal["linear", "striped", "thin"] = "linear"
    """striped: spread in small pieces over all physical volumes of the group, at least two."""
    stripe_size: Annotated[Size, Field(ge=4096, le=4 * 2**20)] = Field(default=64 * 2**10, validate_default=True)
    """striped only: the size of one piece, a power of two."""

    @model_validator(mode="after")
    def _mounted(self) -> LogicalVolume:
        _check_mount(self.filesystem, self.mount)
        if self.stripe_size & (self.stripe_size - 1):
            raise ValueError("stripe_size is a power of two, such as 64KiB")
        if self.type != "striped" and "stripe_size" in self.model_fields_set:
            raise ValueError("stripe_size belongs to type striped")
        return self


def _check_mount(filesystem: FilesystemSpec | None, mount: str | None) -> None:
    if filesystem is None:
        return
    if filesystem.type == "swap" and mount is not None:
        raise ValueError("swap is not mounted: leave mount out")
    if filesystem.subvolumes:
        if mount is not None:
            raise ValueError("its subvolumes are mounted, each at its own place: leave mount out")
        return
    if filesystem.type != "swap" and mount is None:
        raise ValueError("a filesystem needs a mountpoint: add mount")


class Disk(Model):
    """The disk's layout, from which the EC2 loader (hd0 or hd00) follows."""

    layout: Layout
    """hd0: one filesystem fills the disk. hd00: a partition table, the boot partition first."""
    size: Size | None = None
    """The whole disk. Left out: computed from the content."""
    free: Percent = 20.0
    """Free space in the root filesystem when `size` is left out, as a share of its content."""
    filesystem: Filesystem | None = None
    """hd0 only: the root filesystem."""
    table: Literal["mbr", "gpt"] | None = None
    """hd00 only: the kind of partition table; mbr when left out. PV-GRUB reads gpt from its version 1.04 on."""
    partitions: tuple[Partition, ...] = ()
    """hd00 only."""
    volume_groups: dict[LvmName, tuple[LogicalVolume, ...]] = Field(default_factory=dict)
    """hd00 only: the logical volumes of each volume group."""

    @property
    def is_partitioned(self) -> bool:
        """Whether it has a partition table."""
        return self.layout == "hd00"

    @model_validator(mode="after")
    def _layout_keys(self) -> Disk:
        if not self.is_partitioned:
            if self.filesystem is None:
                raise ValueError("layout hd0 needs filesystem: the one that fills the disk")
            if self.table or self.partitions or self.volume_groups:
                raise ValueError("layout hd0 has no partition table: leave table, partitions and volume_groups out")
        else:
            if self.filesystem is not None:
                raise ValueError("layout hd00 takes its filesystems from partitions: leave filesystem out")
            if not self.partitions:
                raise ValueError("layout hd00 needs partitions")
        return self
