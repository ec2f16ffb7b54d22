"""The disk's parts as the recipe names them, and where each lies once that is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from imagebuild.recipe.model import Disk, FilesystemSpec, LogicalVolume
from imagebuild.vocabulary import BootMode

MIB = 2**20
# Twice what FAT32 needs, and 60 times GRUB's core: room for others' loaders.
_ESP_BYTES = 64 * MIB
_MODES = "boot.modes"
Extent = int | float | Literal["rest"]


@dataclass(frozen=True, slots=True)
class Mounted:
    path: str
    subvolume: str | None = None


@dataclass(frozen=True, slots=True)
class Area:
    """One stretch of the disk: a filesystem, swap, or a volume group's physical volume.

    `place` is the loader's or LVM's name ("hd0", "hd0,0", "vg0/root"); `key` the recipe's key for messages;
    `mounts` its mountpoints, each with the subvolume that is mounted there (None: the filesystem itself). `role`: of a
    partition that a firmware looks for.
    """

    place: str
    key: str
    extent: Extent
    filesystem: FilesystemSpec | None
    mounts: tuple[Mounted, ...]
    volume_group: str | None = None
    volume: LogicalVolume | None = None
    role: Literal["esp", "bios-boot"] | None = None

    @property
    def mount(self) -> str | None:
        """Where it is mounted; of several subvolumes the outermost."""
        return self.mounts[0].path if self.mounts else None


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of the image. `partition`: the number (from 1) of the partition that it lies in, 0 for the disk."""

    partition: int
    start_bytes: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Placed:
    """An area and where it lies: its runs one after the other, or striped over all of them (of one size each)."""

    area: Area
    runs: tuple[Run, ...]
    stripe_bytes: int | None = None

    @property
    def size_bytes(self) -> int:
        return sum(run.size_bytes for run in self.runs)

    @property
    def start_bytes(self) -> int:
        return self.runs[0].start_bytes


@dataclass(frozen=True, slots=True)
class Arrangement:
    """The whole disk. `volumes` are the logical volumes, group by group, in the recipe's order."""

    size_bytes: int
    partitions: tuple[Placed, ...]
    volumes: tuple[Placed, ...]

    def all_filesystems(self) -> tuple[Placed, ...]:
        return tuple(placed for placed in (*self.partitions, *self.volumes) if placed.area.filesystem)


@dataclass(frozen=True, slots=True)
class DiskModel:
    """The recipe's disk in areas: made once (`disk_model`), and handed to everything that plans.

    `partitions`: the disk's direct parts; for hd0 that is the one filesystem. `volumes`: the logical volumes, group by
    group; both in the recipe's order.
    """

    spec: Disk
    partitions: tuple[Area, ...]
    volumes: tuple[Area, ...]

    @property
    def areas(self) -> tuple[Area, ...]:
        return (*self.partitions, *self.volumes)

    @property
    def mountpoints(self) -> tuple[str, ...]:
        return tuple(item.path for area in self.areas for item in area.mounts)

    @property
    def root(self) -> Area | None:
        """The filesystem that is mounted at /."""
        return next((area for area in self.areas if area.mount == "/" and area.filesystem), None)

    def volumes_of(self, group: str) -> tuple[Area, ...]:
        return tuple(area for area in self.volumes if area.place.startswith(f"{group}/"))


def disk_model(disk: Disk, modes: Sequence[BootMode] = ()) -> DiskModel:
    """The disk with what its boot modes want and the recipe does not name: those partitions come last.

    PV-GRUB wants the boot partition first; a firmware looks for a partition's type, not for its place.
    """
    areas = _partition_areas(disk)
    roles = {area.role for area in areas}
    if disk.is_partitioned and "bios" in modes and disk.table == "gpt" and "bios-boot" not in roles:
        areas += (Area(f"hd0,{len(areas)}", _MODES, MIB, None, (), role="bios-boot"),)
    if disk.is_partitioned and "uefi" in modes and "esp" not in roles:
        areas += (Area(f"hd0,{len(areas)}", _MODES, _ESP_BYTES, FilesystemSpec(type="vfat"), (), role="esp"),)
    return DiskModel(disk, areas, _volume_areas(disk))


def _partition_areas(disk: Disk) -> tuple[Area, ...]:
    if not disk.is_partitioned:
        return (Area("hd0", "disk", "rest", disk.filesystem, _mounts(disk.filesystem, "/")),)
    return tuple(
        Area(
            f"hd0,{index}",
            f"disk.partitions.{index}",
            part.size,
            part.filesystem,
            _mounts(part.filesystem, part.mount),
            part.volume_group,
            role=part.type,
        )
        for index, part in enumerate(disk.partitions)
    )


def _volume_areas(disk: Disk) -> tuple[Area, ...]:
    return tuple(
        Area(
            f"{group}/{volume.name}",
            f"disk.volume_groups.{group}.{index}",
            volume.size,
            volume.filesystem,
            _mounts(volume.filesystem, volume.mount),
            volume=volume,
        )
        for group, volumes in disk.volume_groups.items()
        for index, volume in enumerate(volumes)
    )


def _mounts(spec: FilesystemSpec | None, mount: str | None) -> tuple[Mounted, ...]:
    if spec is not None and spec.subvolumes:
        mounted = [Mounted(path, name) for name, path in spec.subvolumes.items()]
        return tuple(sorted(mounted, key=lambda item: (item.path.rstrip("/").count("/"), item.path)))
    return (Mounted(mount),) if mount else ()
