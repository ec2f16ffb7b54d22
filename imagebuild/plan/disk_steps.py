"""From the arrangement of the disk to the steps that make it.

Each filesystem says who can fill it (filesystems/): most are made in user space, on a logical volume too (its extents
are chosen in layout.py). What needs a kernel (volume groups, ReiserFS, Btrfs with subvolumes, some of XFS) is made in
the libguestfs appliance, filled from an archive that it reads as a disk: one process, one sequential read, many times
faster than sending the files one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

from imagebuild.filesystems import ext
from imagebuild.filesystems.making import Making
from imagebuild.filesystems.table import FILESYSTEMS, making
from imagebuild.plan import identity
from imagebuild.plan.areas import Area, Arrangement, DiskModel, Placed, Run
from imagebuild.plan.disk_vocabulary import (
    SECTOR_BYTES,
    ApplianceStep,
    CreateDisk,
    CreateLogicalVolume,
    CreateVolumeGroup,
    DiskStep,
    Extents,
    Fill,
    MakeAndFill,
    MakeBtrfs,
    MakeExt,
    MakeFat,
    MakeSwap,
    MakeXfs,
    PackTree,
    PartitionEntry,
    PhysicalVolume,
    Region,
    Runs,
    SettleVolumeGroup,
    WritePartitionTable,
)
from imagebuild.plan.facts import BootCodeFacts, TreeFacts, Usage
from imagebuild.plan.layout import EXTENT_BYTES, PHYSICAL_VOLUME_OVERHEAD
from imagebuild.plan.modes import boot_code_steps, esp_files
from imagebuild.plan.rules import LoaderFilesystem
from imagebuild.plan.steps import PlannedFilesystem
from imagebuild.recipe.model import FilesystemSpec, Recipe
from imagebuild.vocabulary import EXT_TYPES, ROOT_TYPES

_LVM, _ESP, _BIOS_BOOT = 0x8E, 0xEF, 0xEF02
_UNKNOWN = Usage(path="/", content_bytes=0, inodes=0)


@dataclass(frozen=True, slots=True)
class DiskPlan:
    """The steps in order (none while sizes are unknown), and the filesystems for people to read."""

    steps: tuple[DiskStep, ...]
    filesystems: tuple[PlannedFilesystem, ...]


def plan_disk(
    recipe: Recipe,
    disk: DiskModel,
    arrangement: Arrangement | None,
    facts: TreeFacts | None,
    *,
    read: LoaderFilesystem,
    loader_files: tuple[str, ...],
    code: BootCodeFacts | None = None,
) -> DiskPlan:
    """`loader_files`: those that the loader reads in the filesystem `read`, as paths in the tree. `code`: what GRUB's
    packages tell, for boot modes that want boot code in the image."""
    if arrangement is None:
        return DiskPlan((), tuple(_planned(recipe, area, 0) for area in disk.areas if area.filesystem))
    maker = _Maker(recipe, disk.mountpoints, facts, read, loader_files, code)
    steps: list[DiskStep] = [CreateDisk(size_bytes=arrangement.size_bytes)]
    if recipe.disk.is_partitioned:
        steps.append(_partition_table(recipe, arrangement, read.area))
        steps += boot_code_steps(recipe, arrangement, code)
    appliance: list[ApplianceStep] = [_group(recipe, arrangement, group) for group in recipe.disk.volume_groups]
    appliance += [_volume(placed, arrangement) for placed in arrangement.volumes]
    for placed in arrangement.all_filesystems():
        populated, filled = maker.steps(placed)
        steps += populated
        appliance += filled
    identities = [_identities(recipe, arrangement, group) for group in recipe.disk.volume_groups]
    filesystems = (_planned(recipe, placed.area, placed.size_bytes) for placed in arrangement.all_filesystems())
    return DiskPlan((*steps, *appliance, *identities), tuple(filesystems))


def _planned(recipe: Recipe, area: Area, size_bytes: int) -> PlannedFilesystem:
    spec = area.filesystem
    assert spec is not None
    return PlannedFilesystem(
        place=area.place,
        type=spec.type,
        mountpoint=", ".join(item.path for item in area.mounts) or None,
        size_bytes=size_bytes,
        uuid=uuid_of(recipe, area),
        label=spec.label,
    )


def uuid_of(recipe: Recipe, area: Area) -> str:
    """The UUID of the filesystem there: the recipe's own, or computed."""
    given = area.filesystem.uuid if area.filesystem else None
    computed = given or identity.uuid_for(recipe.name, area.place)
    is_short = area.filesystem is not None and FILESYSTEMS[area.filesystem.type].short_id
    return f"{computed[:4]}-{computed[4:8]}".upper() if is_short else computed


def _partition_table(recipe: Recipe, arrangement: Arrangement, loader: Area) -> WritePartitionTable:
    table = recipe.disk.table or "mbr"
    entries = []
    for number, placed in enumerate(arrangement.partitions, start=1):
        area = placed.area
        entries.append(
            PartitionEntry(
                number=number,
                start_sector=placed.start_bytes // SECTOR_BYTES,
                sectors=placed.size_bytes // SECTOR_BYTES,
                type_code=_type_code(area),
                bootable=area == loader and table == "mbr",
                uuid=identity.uuid_for(recipe.name, f"partition {number}") if table == "gpt" else None,
            )
        )
    return WritePartitionTable(
        table=table,
        disk_id=identity.disk_id_for(recipe.name),
        uuid=identity.uuid_for(recipe.name, "partition table") if table == "gpt" else None,
        partitions=tuple(entries),
    )


def _type_code(area: Area) -> int:
    if area.role:
        return {"esp": _ESP, "bios-boot": _BIOS_BOOT}[area.role]
    return FILESYSTEMS[area.filesystem.type].mbr_type if area.filesystem else _LVM


def _members(arrangement: Arrangement, group: str) -> list[Run]:
    return [part.runs[0] for part in arrangement.partitions if part.area.volume_group == group]


def _group(recipe: Recipe, arrangement: Arrangement, group: str) -> CreateVolumeGroup:
    volumes = [
        PhysicalVolume(
            partition_number=run.partition, uuid=identity.lvm_id_for(recipe.name, f"partition {run.partition}")
        )
        for run in _members(arrangement, group)
    ]
    return CreateVolumeGroup(name=group, physical_volumes=tuple(volumes))


def _volume(placed: Placed, arrangement: Arrangement) -> CreateLogicalVolume:
    group, _, name = placed.area.place.partition("/")
    starts = {run.partition: run.start_bytes + PHYSICAL_VOLUME_OVERHEAD for run in _members(arrangement, group)}
    extents = [
        Extents(
            partition_number=run.partition,
            first=(run.start_bytes - starts[run.partition]) // EXTENT_BYTES,
            count=run.size_bytes // EXTENT_BYTES,
        )
        for run in placed.runs
    ]
    return CreateLogicalVolume(volume_group=group, name=name, extents=tuple(extents), stripe_bytes=placed.stripe_bytes)


def _identities(recipe: Recipe, arrangement: Arrangement, group: str) -> SettleVolumeGroup:
    names = [placed.area.place for placed in arrangement.volumes if placed.area.place.startswith(f"{group}/")]
    return SettleVolumeGroup(
        name=group,
        uuid=identity.lvm_id_for(recipe.name, f"volume group {group}"),
        volumes=tuple(
            (name.partition("/")[2], identity.lvm_id_for(recipe.name, f"logical volume {name}")) for name in names
        ),
        places=tuple(_region(run) for run in _members(arrangement, group)),
    )


def _region(run: Run) -> Region:
    return Region(offset_bytes=run.start_bytes, size_bytes=run.size_bytes)


class _Maker:
    """Chooses the steps for one filesystem."""

    def __init__(
        self,
        recipe: Recipe,
        mountpoints: tuple[str, ...],
        facts: TreeFacts | None,
        read: LoaderFilesystem,
        loader_files: tuple[str, ...],
        code: BootCodeFacts | None,
    ) -> None:
        self._code = code
        self._recipe = recipe
        self._facts = facts
        self._loader_files = loader_files
        self._mounts = mountpoints
        self._read = read

    def steps(self, placed: Placed) -> tuple[list[DiskStep], list[ApplianceStep]]:
        """What makes it in user space, and what the appliance does for it."""
        spec = placed.area.filesystem
        assert spec is not None
        made = self._read.made if placed.area == self._read.area else making(spec, placed.area.key, None)
        uuid = uuid_of(self._recipe, placed.area)
        match made.filler:
            case "nobody":
                return [MakeSwap(where=_where(placed), uuid=uuid, label=spec.label)], []
            case "mke2fs":
                return [self._by_mke2fs(placed, spec, made)], []
            case "--rootdir":
                return [self._by_its_maker(placed, spec, made)], []
            case "writer":
                return [self._by_our_writer(placed, spec, made)], []
            case "mtools":
                files = esp_files(self._recipe, placed.area, self._code)
                fat = MakeFat(where=_where(placed), options=made.options, uuid=uuid, label=spec.label, files=files)
                return [fat], []
            case "kernel":
                return self._by_a_kernel(placed, spec, made)

    def _excluded(self, mount: str) -> tuple[str, ...]:
        return tuple(sorted(other for other in self._mounts if _is_below(other, mount)))

    def _by_mke2fs(self, placed: Placed, spec: FilesystemSpec, made: Making) -> MakeExt:
        mount = placed.area.mount
        kind = next(name for name in EXT_TYPES if name == spec.type)
        assert mount is not None
        usage = self._facts.usage_of(mount, self._mounts) if self._facts else _UNKNOWN
        return MakeExt(
            type=kind,
            mountpoint=mount,
            excluded=self._excluded(mount),
            where=_where(placed),
            block_bytes=made.block_bytes,
            inode_bytes=made.inode_bytes,
            inodes=made.inodes or ext.inode_count(placed.size_bytes, usage.inodes),
            features=made.features,
            options=made.options,
            uuid=uuid_of(self._recipe, placed.area),
            label=spec.label,
            solid=self._loader_files if placed.area == self._read.area else (),
        )

    def _by_its_maker(self, placed: Placed, spec: FilesystemSpec, made: Making) -> MakeBtrfs:
        mount = placed.area.mount
        assert mount is not None
        return MakeBtrfs(
            mountpoint=mount,
            excluded=self._excluded(mount),
            where=_where(placed),
            options=made.options,
            uuid=uuid_of(self._recipe, placed.area),
            label=spec.label,
        )

    def _by_our_writer(self, placed: Placed, spec: FilesystemSpec, made: Making) -> MakeXfs:
        mount = placed.area.mount
        assert mount is not None
        return MakeXfs(
            mountpoint=mount,
            excluded=self._excluded(mount),
            where=_where(placed),
            options=made.options,
            uuid=uuid_of(self._recipe, placed.area),
            label=spec.label,
            solid=self._loader_files if placed.area == self._read.area else (),
        )

    def _by_a_kernel(
        self, placed: Placed, spec: FilesystemSpec, made: Making
    ) -> tuple[list[DiskStep], list[ApplianceStep]]:
        kind = next(name for name in ROOT_TYPES if name == spec.type)
        packs: list[DiskStep] = []
        fills = []
        for number, item in enumerate(placed.area.mounts):
            archive = f"{placed.area.place.replace('/', '-').replace(',', '-')}-{number}.tar"
            without_holes = self._loader_files if placed.area == self._read.area else ()
            packs.append(
                PackTree(mountpoint=item.path, excluded=self._excluded(item.path), archive=archive, solid=without_holes)
            )
            fills.append(Fill(archive=archive, subvolume=item.subvolume))
        fill = MakeAndFill(
            type=kind,
            device=_device(placed.area),
            options=made.options,
            uuid=uuid_of(self._recipe, placed.area),
            label=spec.label,
            fills=tuple(fills),
        )
        return packs, [fill]


def _device(area: Area) -> str:
    """As the appliance's steps name it."""
    if area.volume is not None:
        return f"/dev/{area.place}"
    number = area.place.partition(",")[2]
    return f"image{int(number) + 1}" if number else "image"


def _where(placed: Placed) -> Runs:
    return Runs(runs=tuple(_region(run) for run in placed.runs), stripe_bytes=placed.stripe_bytes)


def _is_below(path: str, directory: str) -> bool:
    return path != directory and (directory == "/" or path.startswith(directory + "/"))
