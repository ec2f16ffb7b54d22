"""Sectors and sizes: from the recipe's disk section to where every byte range begins and ends.

Partitions start at whole MiB (as parted, fdisk and every cloud's block storage like it), the first at 1 MiB; a GPT
keeps the last MiB for its copy. Logical volumes are whole 4 MiB extents, LVM's default; a physical volume keeps its
first MiB for metadata (lvm2's default data alignment). Each volume is given its extents here: so its place in the image
is known, and its filesystem is made there without a kernel.
"""

from __future__ import annotations

from imagebuild.errors import PlanError
from imagebuild.filesystems import table
from imagebuild.filesystems.making import BLOCK_BYTES, MIB
from imagebuild.plan.areas import Area, Arrangement, DiskModel, Placed, Run
from imagebuild.plan.facts import TreeFacts, Usage
from imagebuild.recipe.model import Disk

EXTENT_BYTES = 4 * MIB
PHYSICAL_VOLUME_OVERHEAD = 1 * MIB
# What is counted for a directory alone (TreeFacts.usage_of adds 16).
_EMPTY_INODES = 17


def arrange(disk: DiskModel, facts: TreeFacts | None) -> Arrangement | None:
    """Place everything. None when the size has to come from a tree that is not there yet.

    Raises PlanError when something does not fit, naming how much is needed.
    """
    needs = _Needs(disk, facts)
    total = int(disk.spec.size) if disk.spec.size is not None else _computed_total(disk, needs)
    if total is None:
        return None
    if not disk.spec.is_partitioned:
        total = _down(total, BLOCK_BYTES)
        arrangement = Arrangement(total, (Placed(disk.partitions[0], (Run(0, 0, total),)),), ())
    else:
        arrangement = _partitioned(disk, _down(total, MIB))
    needs.check(arrangement)
    return arrangement


def _partitioned(disk: DiskModel, total: int) -> Arrangement:
    shared = share_out(disk.partitions, total - MIB - _tail_bytes(disk.spec), MIB, "the disk")
    partitions = []
    start = MIB
    for number, (area, size) in enumerate(zip(disk.partitions, shared, strict=True), start=1):
        partitions.append(Placed(area, (Run(number, start, size),)))
        start += size
    volumes: list[Placed] = []
    for group in disk.spec.volume_groups:
        physical = [part.runs[0] for part in partitions if part.area.volume_group == group]
        room = sum(_usable(run.size_bytes) for run in physical)
        members = disk.volumes_of(group)
        shared = share_out(members, room, EXTENT_BYTES, f"volume group {group}")
        volumes += allocate(members, shared, physical)
    return Arrangement(total, tuple(partitions), tuple(volumes))


def _tail_bytes(disk: Disk) -> int:
    """A GPT's copy at the end of the disk: 33 sectors (UEFI specification, 5.3.1), a whole MiB for the alignment."""
    return MIB if disk.table == "gpt" else 0


def allocate(members: tuple[Area, ...], wanted: list[int], physical: list[Run]) -> list[Placed]:
    """Give each volume of a group its extents: striped ones first, then the linear ones, each in the recipe's order.

    Raises PlanError where a striped volume finds no equal room on each physical volume.
    """
    free = [Run(run.partition, run.start_bytes + PHYSICAL_VOLUME_OVERHEAD, _usable(run.size_bytes)) for run in physical]
    placed: dict[str, Placed] = {}
    for area, size in zip(members, wanted, strict=True):
        if area.volume is not None and area.volume.type == "striped":
            placed[area.place] = _striped(area, size, free)
    for area, size in zip(members, wanted, strict=True):
        if area.place not in placed:
            placed[area.place] = _linear(area, size, free)
    return [placed[area.place] for area in members]


def _striped(area: Area, size: int, free: list[Run]) -> Placed:
    assert area.volume is not None
    most = min(run.size_bytes for run in free)
    each = _up(-(-size // len(free)), EXTENT_BYTES)
    if not isinstance(area.extent, int):  # a share is what there is
        each = min(most, _down(size // len(free), EXTENT_BYTES))
    if each > most or each <= 0:
        raise PlanError(
            area.key,
            f"striped over {len(free)} physical volumes it needs {mib(each)} on each, "
            f"the smallest has room for {mib(most)}",
            resolution="make the physical volumes of the group alike, or the volume smaller, or linear",
        )
    runs = tuple(_take(free, index, each) for index in range(len(free)))
    return Placed(area, runs, area.volume.stripe_size)


def _linear(area: Area, size: int, free: list[Run]) -> Placed:
    runs = []
    for index, run in enumerate(free):
        if (part := min(size, run.size_bytes)) > 0:
            runs.append(_take(free, index, part))
            size -= part
    if size > 0:  # striped volumes have been rounded up
        raise PlanError(
            area.key, f"the volume group is {mib(size)} too small", resolution="make another volume smaller"
        )
    return Placed(area, tuple(runs))


def _take(free: list[Run], index: int, size: int) -> Run:
    run = free[index]
    free[index] = Run(run.partition, run.start_bytes + size, run.size_bytes - size)
    return Run(run.partition, run.start_bytes, size)


def share_out(areas: tuple[Area, ...], room: int, quantum: int, whose: str) -> list[int]:
    """Sizes in whole quanta: fixed ones first (rounded up), then percentages of what is left, then `rest`.

    Raises PlanError when the fixed sizes alone are too many, or nothing is left for a share or for `rest`.
    """
    fixed = {index: _up(int(area.extent), quantum) for index, area in enumerate(areas) if isinstance(area.extent, int)}
    left = room - sum(fixed.values())
    if left < 0:
        raise PlanError(
            areas[0].key.rsplit(".", 1)[0],
            f"the sizes add up to {mib(sum(fixed.values()))}, but {whose} has room for {mib(room)}",
            resolution="make one of them smaller, or the disk larger",
        )
    if (percent := sum(area.extent for area in areas if isinstance(area.extent, float))) > 100:
        raise PlanError(
            areas[0].key.rsplit(".", 1)[0],
            f"the percentages of {whose} add up to {percent:g}%",
            resolution="they are shares of what is left after the fixed sizes: 100% at most",
        )
    shares = {
        index: _down(int(left * area.extent / 100), quantum)
        for index, area in enumerate(areas)
        if isinstance(area.extent, float)
    }
    rests = [index for index, area in enumerate(areas) if area.extent == "rest"]
    each = _down((left - sum(shares.values())) // len(rests), quantum) if rests else 0
    shared = fixed | shares | dict.fromkeys(rests, each)
    for index, area in enumerate(areas):
        if shared[index] <= 0:
            raise PlanError(
                f"{area.key}.size",
                f"nothing is left for it: {whose} has room for {mib(room)}, all of it taken",
                resolution="make another part smaller, or the disk larger",
            )
    return [shared[index] for index in range(len(areas))]


class _Needs:
    """How much each area has to hold, as far as the tree is known."""

    def __init__(self, disk: DiskModel, facts: TreeFacts | None) -> None:
        self._free = disk.spec.free
        self._facts = facts
        self._mounts = disk.mountpoints

    def usage(self, area: Area) -> Usage | None:
        """What the area's filesystem has to hold, all its subvolumes together."""
        if self._facts is None or not area.mounts:
            return None
        parts = [self._facts.usage_of(item.path, self._mounts) for item in area.mounts]
        return Usage(
            path=parts[0].path,
            content_bytes=sum(part.content_bytes for part in parts),
            inodes=sum(part.inodes for part in parts),
        )

    def size_for(self, area: Area) -> int | None:
        """The size to give an area whose recipe leaves it open; None when the tree must tell."""
        assert area.filesystem is not None
        floor = table.floor_bytes(area.filesystem.type)
        if not area.mounts:
            return floor
        usage = self.usage(area)
        if usage is None:
            return None
        content = int(usage.content_bytes * (1 + self._free / 100))
        return max(floor, table.size_for(area.filesystem.type, content, usage.inodes))

    def check(self, arrangement: Arrangement) -> None:
        for placed in arrangement.all_filesystems():
            area = placed.area
            assert area.filesystem is not None
            kind = area.filesystem.type
            floor = table.least_bytes(kind)
            if placed.size_bytes < floor:
                raise PlanError(
                    area.key,
                    f"{kind} needs at least {mib(floor)}, it gets {mib(placed.size_bytes)}",
                    resolution="make it larger",
                )
            usage = self.usage(area)
            if not table.FILESYSTEMS[kind].knows_owners and usage and usage.inodes > _EMPTY_INODES:
                raise PlanError(
                    area.key,
                    f"the tree has files below {area.mount}, and {kind} knows neither their owners nor their modes",
                    resolution="use one of the ext family there, or leave those files out of the tree",
                )
            if usage and (room := table.capacity_bytes(kind, placed.size_bytes, usage.inodes)) < usage.content_bytes:
                raise PlanError(
                    area.key,
                    f"the tree does not fit: {area.mount} holds {mib(usage.content_bytes)}, "
                    f"a filesystem of {mib(placed.size_bytes)} has room for {mib(room)}",
                    resolution=f"give it at least {mib(table.size_for(kind, usage.content_bytes, usage.inodes))}, "
                    "or leave disk.size out to have it computed",
                )


def _computed_total(disk: DiskModel, needs: _Needs) -> int | None:
    parts: list[int] = []
    for area in disk.partitions:
        size = _needed(area, disk, needs)
        if size is None:
            return None
        parts.append(_up(size, MIB))
    return sum(parts) + (MIB + _tail_bytes(disk.spec) if disk.spec.is_partitioned else 0)


def _needed(area: Area, disk: DiskModel, needs: _Needs) -> int | None:
    if isinstance(area.extent, int):
        return int(area.extent)
    if isinstance(area.extent, float):
        raise PlanError(
            f"{area.key}.size", "a percentage needs a known total", resolution="give disk.size, or a size in MiB"
        )
    if area.volume_group is None:
        return needs.size_for(area)
    needed = [_needed(volume, disk, needs) for volume in disk.volumes_of(area.volume_group)]
    if any(size is None for size in needed):
        return None
    members = sum(part.volume_group == area.volume_group for part in disk.partitions)
    rounded = sum(_up(size, EXTENT_BYTES * members) for size in needed if size is not None)
    return rounded + PHYSICAL_VOLUME_OVERHEAD + EXTENT_BYTES


def _usable(partition_bytes: int) -> int:
    return _down(partition_bytes - PHYSICAL_VOLUME_OVERHEAD, EXTENT_BYTES)


def _up(size: int, quantum: int) -> int:
    return -(-size // quantum) * quantum


def _down(size: int, quantum: int) -> int:
    return size // quantum * quantum


def mib(size_bytes: int) -> str:
    """A size for people: whole MiB, rounded up."""
    return f"{-(-size_bytes // MIB)} MiB"
