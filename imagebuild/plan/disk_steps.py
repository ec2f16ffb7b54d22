"""From the arrangement of the disk to the steps that make it.

Which engine makes a filesystem is decided here: ext2 to ext4 and swap are laid in user space wherever their place in
the image is known, on a logical volume too (its extents are chosen in layout.py). What needs a kernel (volume groups,
XFS, Btrfs, ReiserFS) is made in the libguestfs appliance, from a filesystem staged on the host, which is many times
faster than sending the files one by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from imagebuild.plan import ext, identity
from imagebuild.plan.facts import TreeFacts, Usage
from imagebuild.plan.layout import (
    EXTENT_BYTES,
    PHYSICAL_VOLUME_OVERHEAD,
    Arrangement,
    Placed,
    mountpoints,
    partition_areas,
    volume_areas,
)
from imagebuild.plan.rules import loader_area
from imagebuild.plan.steps import (
    SECTOR_BYTES,
    ApplianceStep,
    CopyOntoVolume,
    CreateDisk,
    CreateLogicalVolume,
    CreateVolumeGroup,
    DiskStep,
    Extents,
    ExtType,
    MakeAndFill,
    MakeExt,
    MakeSwap,
    MakeSwapOnVolume,
    PartitionEntry,
    PlannedFilesystem,
    Region,
    WritePartitionTable,
)
from imagebuild.recipe.model import FilesystemSpec, Recipe

EXT_TYPES: Final = ("ext2", "ext3", "ext4")
_LINUX, _SWAP, _LVM = 0x83, 0x82, 0x8E
_UNKNOWN = Usage(path="/", content_bytes=0, inodes=0)


@dataclass(frozen=True, slots=True)
class DiskPlan:
    """The steps in order (none while sizes are unknown), and the filesystems for people to read."""

    steps: tuple[DiskStep, ...]
    filesystems: tuple[PlannedFilesystem, ...]


def plan_disk(
    recipe: Recipe, arrangement: Arrangement | None, facts: TreeFacts | None, *, solid: tuple[str, ...]
) -> DiskPlan:
    """`solid`: the files that the loader reads, to be written without holes."""
    if arrangement is None:
        areas = [area for area in (*partition_areas(recipe.disk), *volume_areas(recipe.disk)) if area.filesystem]
        return DiskPlan((), tuple(_planned(recipe, Placed(area, 0, None)) for area in areas))
    maker = _Maker(recipe, arrangement, facts, solid)
    steps: list[DiskStep] = [CreateDisk(size_bytes=arrangement.size_bytes)]
    if recipe.disk.layout == "hd00":
        steps.append(_partition_table(recipe, arrangement))
    appliance: list[ApplianceStep] = []
    for placed in arrangement.partitions:
        if placed.area.filesystem is not None:
            on_disk, in_appliance = maker.on_partition(placed, placed.area.filesystem)
            steps += on_disk
            appliance += in_appliance
    for group in recipe.disk.volume_groups:
        numbers = tuple(
            number for number, placed in enumerate(arrangement.partitions, start=1) if placed.area.volume_group == group
        )
        appliance.append(CreateVolumeGroup(name=group, partition_numbers=numbers))
    for placed in arrangement.volumes:
        assert placed.area.filesystem is not None
        staged, in_appliance = maker.on_volume(placed, placed.area.filesystem)
        steps += staged
        appliance += in_appliance
    return DiskPlan((*steps, *appliance), tuple(_planned(recipe, placed) for placed in arrangement.all_filesystems()))


def _planned(recipe: Recipe, placed: Placed) -> PlannedFilesystem:
    spec = placed.area.filesystem
    assert spec is not None
    return PlannedFilesystem(
        place=placed.area.place,
        type=spec.type,
        mountpoint=placed.area.mount,
        size_bytes=placed.size_bytes,
        uuid=identity.uuid_for(recipe.name, placed.area.place),
        label=spec.label,
    )


def _partition_table(recipe: Recipe, arrangement: Arrangement) -> WritePartitionTable:
    loader = loader_area(recipe.disk)
    entries = []
    for number, placed in enumerate(arrangement.partitions, start=1):
        area = placed.area
        swap = area.filesystem is not None and area.filesystem.type == "swap"
        entries.append(
            PartitionEntry(
                number=number,
                start_sector=(placed.start_bytes or 0) // SECTOR_BYTES,
                sectors=placed.size_bytes // SECTOR_BYTES,
                type_code=_LVM if area.volume_group else _SWAP if swap else _LINUX,
                bootable=area == loader,
            )
        )
    return WritePartitionTable(table="mbr", disk_id=identity.disk_id_for(recipe.name), partitions=tuple(entries))


class _Maker:
    """Chooses the steps for one filesystem."""

    def __init__(
        self, recipe: Recipe, arrangement: Arrangement, facts: TreeFacts | None, solid: tuple[str, ...]
    ) -> None:
        self._physical = {
            placed.area.volume_group: (number, placed)
            for number, placed in enumerate(arrangement.partitions, start=1)
            if placed.area.volume_group
        }
        self._recipe = recipe
        self._facts = facts
        self._solid = solid
        self._mounts = mountpoints(recipe.disk)
        self._loader = loader_area(recipe.disk)

    def on_partition(self, placed: Placed, spec: FilesystemSpec) -> tuple[list[DiskStep], list[ApplianceStep]]:
        region = Region(offset_bytes=placed.start_bytes or 0, size_bytes=placed.size_bytes)
        uuid = identity.uuid_for(self._recipe.name, placed.area.place)
        if spec.type == "swap":
            return [MakeSwap(region=region, uuid=uuid, label=spec.label)], []
        if spec.type in EXT_TYPES:
            return [self._ext(placed, spec.type, region=region, stage=None, label=spec.label)], []
        number = int(placed.area.place.partition(",")[2] or -1) + 1
        return self._filled(placed, spec, f"/dev/sda{number}" if number else "/dev/sda")

    def on_volume(self, placed: Placed, spec: FilesystemSpec) -> tuple[list[DiskStep], list[ApplianceStep]]:
        device = f"/dev/{placed.area.place}"
        create = self._create_volume(placed)
        uuid = identity.uuid_for(self._recipe.name, placed.area.place)
        if placed.start_bytes is not None and spec.type in (*EXT_TYPES, "swap"):
            in_place, _none = self.on_partition(placed, spec)
            return in_place, [create]
        if spec.type == "swap":
            return [], [create, MakeSwapOnVolume(device=device, uuid=uuid, label=spec.label)]
        if spec.type in EXT_TYPES:
            stage = _stage_name(placed)
            staged = self._ext(placed, spec.type, region=None, stage=stage, label=spec.label)
            return [staged], [create, CopyOntoVolume(stage=stage, device=device)]
        steps, fill = self._filled(placed, spec, device)
        return steps, [create, *fill]

    def _create_volume(self, placed: Placed) -> CreateLogicalVolume:
        group, _, name = placed.area.place.partition("/")
        extents = None
        if placed.start_bytes is not None:
            number, physical = self._physical[group]
            first = (placed.start_bytes - (physical.start_bytes or 0) - PHYSICAL_VOLUME_OVERHEAD) // EXTENT_BYTES
            extents = Extents(partition_number=number, first=first, count=placed.size_bytes // EXTENT_BYTES)
        return CreateLogicalVolume(volume_group=group, name=name, size_bytes=placed.size_bytes, extents=extents)

    def _filled(self, placed: Placed, spec: FilesystemSpec, device: str) -> tuple[list[DiskStep], list[ApplianceStep]]:
        """A filesystem that a kernel must fill, by way of a staged ext4 that holds the same files."""
        assert spec.type in ("xfs", "btrfs", "reiserfs")
        stage = _stage_name(placed)
        staged = self._ext(placed, "ext4", region=None, stage=stage, label=None)
        fill = MakeAndFill(
            type=spec.type,
            device=device,
            options=(),
            uuid=identity.uuid_for(self._recipe.name, placed.area.place),
            label=spec.label,
            stage=stage,
        )
        return [staged], [fill]

    def _ext(
        self, placed: Placed, kind: ExtType, *, region: Region | None, stage: str | None, label: str | None
    ) -> MakeExt:
        mount = placed.area.mount
        assert mount is not None
        read_by_loader = placed.area == self._loader
        usage = self._facts.usage_of(mount, self._mounts) if self._facts else _UNKNOWN
        return MakeExt(
            type=kind,
            mountpoint=mount,
            excluded=tuple(sorted(other for other in self._mounts if _is_below(other, mount))),
            region=region,
            stage=stage,
            size_bytes=placed.size_bytes,
            block_bytes=ext.BLOCK_BYTES,
            inodes=ext.inode_count(placed.size_bytes, usage.inodes),
            features=ext.features_of(kind, read_by_loader=read_by_loader),
            uuid=identity.uuid_for(self._recipe.name, placed.area.place),
            label=label,
            solid=self._solid if read_by_loader else (),
        )


def _stage_name(placed: Placed) -> str:
    return placed.area.place.replace("/", "-").replace(",", "-") + ".ext"


def _is_below(path: str, folder: str) -> bool:
    return path != folder and (folder == "/" or path.startswith(folder + "/"))
