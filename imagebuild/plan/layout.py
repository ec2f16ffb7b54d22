"""Sectors and sizes: from the recipe's disk section to where every byte range begins and ends.

Partitions start at whole MiB (as parted, fdisk and every cloud's block storage like it), the first at 1 MiB.
Logical volumes are whole 4 MiB extents, LVM's default; a physical volume keeps its first MiB for metadata
(lvm2's default data alignment). In a group of one physical volume each volume is given its extents here, one after
the other: so its place in the image is known, and its filesystem is laid there without a kernel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from imagebuild.errors import PlanError
from imagebuild.plan import ext
from imagebuild.plan.ext import MIB
from imagebuild.plan.facts import TreeFacts, Usage
from imagebuild.recipe.model import Disk, FilesystemSpec

EXTENT_BYTES = 4 * MIB
PHYSICAL_VOLUME_OVERHEAD = 1 * MIB
# XFS refuses to be smaller (mkfs.xfs 6.1: 16 MiB of data and a 2 MiB log at the least; 300 MiB for new defaults),
# btrfs needs room for its chunks, reiserfs for its 32 MiB journal.
_FLOOR_BYTES = {"swap": 16 * MIB, "xfs": 320 * MIB, "btrfs": 160 * MIB, "reiserfs": 64 * MIB}
_EXT_FLOOR_BYTES = 16 * MIB

Extent = int | float | Literal["rest"]


@dataclass(frozen=True, slots=True)
class Area:
    """One stretch of the disk: a filesystem, swap, or a volume group's physical volume.

    `place` is the loader's or LVM's name ("hd0", "hd0,0", "vg0/root"); `key` the recipe's key for messages.
    """

    place: str
    key: str
    extent: Extent
    filesystem: FilesystemSpec | None
    mount: str | None
    volume_group: str | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """An area with its size; `start_bytes` counts from the image's first byte.

    None for a volume of a group with several physical volumes: LVM chooses where it lies.
    """

    area: Area
    size_bytes: int
    start_bytes: int | None


@dataclass(frozen=True, slots=True)
class Arrangement:
    """The whole disk. `volumes` are the logical volumes, group by group, in the recipe's order."""

    size_bytes: int
    partitions: tuple[Placed, ...]
    volumes: tuple[Placed, ...]

    def all_filesystems(self) -> tuple[Placed, ...]:
        return tuple(placed for placed in (*self.partitions, *self.volumes) if placed.area.filesystem)


def partition_areas(disk: Disk) -> tuple[Area, ...]:
    """The disk's direct parts; for hd0 that is the one filesystem."""
    if disk.layout == "hd0":
        return (Area("hd0", "disk", "rest", disk.filesystem, "/"),)
    return tuple(
        Area(f"hd0,{index}", f"disk.partitions.{index}", part.size, part.filesystem, part.mount, part.volume_group)
        for index, part in enumerate(disk.partitions)
    )


def volume_areas(disk: Disk) -> tuple[Area, ...]:
    """Every logical volume, in the recipe's order."""
    return tuple(
        Area(
            f"{group}/{volume.name}",
            f"disk.volume_groups.{group}.{index}",
            volume.size,
            volume.filesystem,
            volume.mount,
        )
        for group, volumes in disk.volume_groups.items()
        for index, volume in enumerate(volumes)
    )


def mountpoints(disk: Disk) -> tuple[str, ...]:
    return tuple(area.mount for area in (*partition_areas(disk), *volume_areas(disk)) if area.mount)


def arrange(disk: Disk, facts: TreeFacts | None) -> Arrangement | None:
    """Place everything. None when the size has to come from a tree that is not there yet.

    Raises PlanError when something does not fit, naming how much is needed.
    """
    needs = _Needs(disk, facts)
    total = int(disk.size) if disk.size is not None else _computed_total(disk, needs)
    if total is None:
        return None
    areas = partition_areas(disk)
    if disk.layout == "hd0":
        total = _down(total, ext.BLOCK_BYTES)
        arrangement = Arrangement(total, (Placed(areas[0], total, 0),), ())
    else:
        arrangement = _partitioned(disk, areas, _down(total, MIB))
    needs.check(arrangement)
    return arrangement


def _partitioned(disk: Disk, areas: tuple[Area, ...], total: int) -> Arrangement:
    sizes = share_out(areas, total - MIB, MIB, "the disk")
    partitions = []
    start = MIB
    for area, size in zip(areas, sizes, strict=True):
        partitions.append(Placed(area, size, start))
        start += size
    volumes: list[Placed] = []
    for group in disk.volume_groups:
        room = sum(_usable(part.size_bytes) for part in partitions if part.area.volume_group == group)
        members = tuple(area for area in volume_areas(disk) if area.place.startswith(f"{group}/"))
        sizes = share_out(members, room, EXTENT_BYTES, f"volume group {group}")
        volumes += _volumes(members, sizes, [part for part in partitions if part.area.volume_group == group])
    return Arrangement(total, tuple(partitions), tuple(volumes))


def _volumes(members: tuple[Area, ...], sizes: list[int], physical: list[Placed]) -> list[Placed]:
    """The volumes one after the other from the first extent on, where there is one physical volume."""
    if len(physical) != 1:
        return [Placed(area, size, None) for area, size in zip(members, sizes, strict=True)]
    start = (physical[0].start_bytes or 0) + PHYSICAL_VOLUME_OVERHEAD
    placed = []
    for area, size in zip(members, sizes, strict=True):
        placed.append(Placed(area, size, start))
        start += size
    return placed


def share_out(areas: tuple[Area, ...], room: int, quantum: int, whose: str) -> list[int]:
    """Sizes in whole quanta: fixed ones first (rounded up), then percentages of what is left, then `rest`.

    Raises PlanError when the fixed sizes alone are too many, or nothing is left for a share or for `rest`.
    """
    fixed = {index: _up(int(area.extent), quantum) for index, area in enumerate(areas) if isinstance(area.extent, int)}
    left = room - sum(fixed.values())
    if left < 0:
        raise PlanError(
            f"{areas[0].key.rsplit('.', 1)[0]}: the sizes add up to {mib(sum(fixed.values()))}, "
            f"but {whose} has room for {mib(room)}",
            resolution="make one of them smaller, or the disk larger",
        )
    if (percent := sum(area.extent for area in areas if isinstance(area.extent, float))) > 100:
        raise PlanError(
            f"{areas[0].key.rsplit('.', 1)[0]}: the percentages of {whose} add up to {percent:g}%",
            resolution="they are shares of what is left after the fixed sizes: 100% at most",
        )
    shares = {
        index: _down(int(left * area.extent / 100), quantum)
        for index, area in enumerate(areas)
        if isinstance(area.extent, float)
    }
    rests = [index for index, area in enumerate(areas) if area.extent == "rest"]
    each = _down((left - sum(shares.values())) // len(rests), quantum) if rests else 0
    sizes = fixed | shares | dict.fromkeys(rests, each)
    for index, area in enumerate(areas):
        if sizes[index] <= 0:
            raise PlanError(
                f"{area.key}.size: nothing is left for it: {whose} has room for {mib(room)}, all of it taken",
                resolution="make another part smaller, or the disk larger",
            )
    return [sizes[index] for index in range(len(areas))]


class _Needs:
    """How much each area has to hold, as far as the tree is known."""

    def __init__(self, disk: Disk, facts: TreeFacts | None) -> None:
        self._free = disk.free
        self._facts = facts
        self._mounts = mountpoints(disk)

    def usage(self, mount: str) -> Usage | None:
        return self._facts.usage_of(mount, self._mounts) if self._facts else None

    def size_for(self, area: Area) -> int | None:
        """The size to give an area whose recipe leaves it open; None when the tree must tell."""
        assert area.filesystem is not None
        floor = _FLOOR_BYTES.get(area.filesystem.type, _EXT_FLOOR_BYTES)
        if area.mount is None:
            return floor
        usage = self.usage(area.mount)
        if usage is None:
            return None
        content = int(usage.content_bytes * (1 + self._free / 100))
        return max(floor, ext.size_for(content, usage.inodes))

    def check(self, arrangement: Arrangement) -> None:
        for placed in arrangement.all_filesystems():
            area = placed.area
            assert area.filesystem is not None
            floor = _FLOOR_BYTES.get(area.filesystem.type, 1 * MIB)
            if placed.size_bytes < floor:
                raise PlanError(
                    f"{area.key}: {area.filesystem.type} needs at least {mib(floor)}, it gets {mib(placed.size_bytes)}",
                    resolution="make it larger",
                )
            usage = self.usage(area.mount) if area.mount else None
            if usage and ext.capacity_bytes(placed.size_bytes, usage.inodes) < usage.content_bytes:
                raise PlanError(
                    f"{area.key}: the tree does not fit: {area.mount} holds {mib(usage.content_bytes)}, "
                    f"a filesystem of {mib(placed.size_bytes)} has room for "
                    f"{mib(ext.capacity_bytes(placed.size_bytes, usage.inodes))}",
                    resolution=f"give it at least {mib(ext.size_for(usage.content_bytes, usage.inodes))}, "
                    "or leave disk.size out to have it computed",
                )


def _computed_total(disk: Disk, needs: _Needs) -> int | None:
    sizes: list[int] = []
    for area in partition_areas(disk):
        size = _needed(area, disk, needs)
        if size is None:
            return None
        sizes.append(_up(size, MIB))
    return sum(sizes) + (MIB if disk.layout == "hd00" else 0)


def _needed(area: Area, disk: Disk, needs: _Needs) -> int | None:
    if isinstance(area.extent, int):
        return int(area.extent)
    if isinstance(area.extent, float):
        raise PlanError(
            f"{area.key}.size: a percentage needs to know of what", resolution="give disk.size, or a size in MiB"
        )
    if area.volume_group is None:
        return needs.size_for(area)
    volumes = [volume for volume in volume_areas(disk) if volume.place.startswith(f"{area.volume_group}/")]
    sizes = [_needed(volume, disk, needs) for volume in volumes]
    if any(size is None for size in sizes):
        return None
    return sum(_up(size, EXTENT_BYTES) for size in sizes if size is not None) + PHYSICAL_VOLUME_OVERHEAD + EXTENT_BYTES


def _usable(partition_bytes: int) -> int:
    return _down(partition_bytes - PHYSICAL_VOLUME_OVERHEAD, EXTENT_BYTES)


def _up(size: int, quantum: int) -> int:
    return -(-size // quantum) * quantum


def _down(size: int, quantum: int) -> int:
    return size // quantum * quantum


def mib(size_bytes: int) -> str:
    """A size for people: whole MiB, rounded up."""
    return f"{-(-size_bytes // MIB)} MiB"
