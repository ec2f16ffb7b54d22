"""The rules that refuse a recipe while planning: what no loader could boot, and what cannot be made.

What each loader reads is data, in bootloaders/.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from imagebuild.bootloaders.model import PlanRule
from imagebuild.bootloaders.table import LOADERS, rules_met
from imagebuild.errors import PlanError
from imagebuild.filesystems.making import Making
from imagebuild.filesystems.table import FILESYSTEMS, making
from imagebuild.plan.areas import Area, DiskModel
from imagebuild.plan.refusals import all_at_once
from imagebuild.recipe.model import Disk
from imagebuild.vocabulary import BootLoader

# An MBR has four entries; extended partitions are not made: the loader reads the first one anyway. GRUB 0.97
# names up to 16 (stage2/shared.h); a GPT could hold 128.
_MOST_PARTITIONS = {"mbr": 4, "gpt": 16}
_TABLE_NAMES = {"mbr": "an MBR", "gpt": "a GPT"}
_KERNEL_FOLDER = "the kernel's own filesystem is mounted there"
_EARLY = "the system needs it before it reads fstab"
_NEVER_MOUNTED = {
    "/dev": _KERNEL_FOLDER, "/proc": _KERNEL_FOLDER, "/sys": _KERNEL_FOLDER, "/run": _KERNEL_FOLDER,
    "/etc": _EARLY, "/bin": _EARLY, "/sbin": _EARLY, "/lib": _EARLY, "/lib64": _EARLY,
    "/boot/grub": "the loader looks for menu.lst and the kernels in one filesystem",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class LoaderFilesystem:
    """The filesystem that the loader reads, and how it is made."""

    area: Area
    made: Making


def loader_filesystem(disk: DiskModel, loader: BootLoader) -> LoaderFilesystem:
    """/boot if it is a filesystem of its own, else /. Raises PlanError where the loader could not find or read it."""
    partitions = disk.partitions
    _check_mounts(disk.areas)
    wanted = "/boot" if "/boot" in disk.mountpoints else "/"
    area = next(area for area in disk.areas if wanted in _paths(area))
    title = LOADERS[loader].title
    settings = set()
    if area not in partitions:
        settings.add("lvm")
    elif area is not partitions[0]:
        settings.add("not first")
    for rule in rules_met(loader, "disk", frozenset(settings)):
        what = f"{wanted} is on {'LVM' if area not in partitions else f'partition {partitions.index(area) + 1}'}"
        raise PlanError(area.key, f"{what}, but {title} reads it itself, and {rule.reason}", resolution=rule.cure)
    assert area.filesystem is not None
    made = making(area.filesystem, area.key, LOADERS[loader])
    refusing = [rule for rule in rules_met(loader, area.filesystem.type, made.settings) if rule.verdict == "refused"]
    if refusing:
        raise _unreadable(area, wanted, title, refusing)
    return LoaderFilesystem(area, made)


def notes_on(disk: DiskModel, read: LoaderFilesystem, loader: BootLoader) -> tuple[str, ...]:
    """What the loader's rules say about an image that they let through."""
    assert read.area.filesystem is not None
    on_disk = frozenset({"gpt"} if disk.spec.table == "gpt" else ())
    rules = (*rules_met(loader, "disk", on_disk), *rules_met(loader, read.area.filesystem.type, read.made.settings))
    return tuple(f"{rule.reason} ({rule.source})" for rule in rules)


def _paths(area: Area) -> tuple[str, ...]:
    return tuple(item.path for item in area.mounts)


def _unreadable(area: Area, wanted: str, title: str, rules: list[PlanRule]) -> PlanError:
    assert area.filesystem is not None
    kind = area.filesystem.type
    given = [rule.setting for rule in rules if rule.setting != kind]
    what = f"{kind} with {', '.join(given)}" if given else kind
    why = "; ".join(dict.fromkeys(rule.reason for rule in rules))
    return PlanError(
        f"{area.key}.filesystem",
        f"{title} would have to read {wanted} from {what}, but {why}",
        details="\n".join(f"{rule.setting}: {rule.source}" for rule in rules),
        resolution=rules[0].cure,
    )


def check_disk(disk: DiskModel) -> None:
    """What cannot be made, whoever boots it: all of it at once."""
    areas = disk.areas
    all_at_once(
        lambda: _check_groups(disk),
        lambda: _check_places(areas),
        lambda: _check_names("uuid", [area.filesystem.uuid for area in areas if area.filesystem]),
        lambda: _check_names("label", [area.filesystem.label for area in areas if area.filesystem]),
        *(functools.partial(making, area.filesystem, area.key, None) for area in areas if area.filesystem),
    )


def _check_names(key: str, values: Iterable[str | None]) -> None:
    for value, count in Counter(filter(None, values)).items():
        if count > 1:
            raise PlanError(
                "disk",
                f"{count} filesystems have the {key} {value}: a system cannot tell them apart",
                resolution=f"give each a {key} of its own, or leave it out",
            )


def _check_mounts(areas: tuple[Area, ...]) -> None:
    mounts = Counter(path for area in areas for path in _paths(area))
    if "/" not in mounts:
        raise PlanError(
            "disk", "no filesystem is mounted at /", resolution="add mount: / to the partition or volume of the root"
        )
    for area in areas:
        for path in _paths(area):
            if mounts[path] > 1:
                key = f"{area.key}.filesystem.subvolumes" if area.mounts[0].subvolume else f"{area.key}.mount"
                raise PlanError(key, f"{path} is mounted twice", resolution="give each filesystem its own mountpoint")


def _check_places(areas: tuple[Area, ...]) -> None:
    for area in areas:
        if area.filesystem and not FILESYSTEMS[area.filesystem.type].knows_owners and area.mount in ("/", "/boot"):
            raise PlanError(
                f"{area.key}.filesystem",
                f"{area.filesystem.type} (FAT) knows neither owners nor links: {area.mount} cannot be on it",
                resolution="use one of the ext family there",
            )
        for path in _paths(area):
            if path in _NEVER_MOUNTED:
                raise PlanError(
                    f"{area.key}.mount",
                    f"{path} cannot be a filesystem of its own: {_NEVER_MOUNTED[path]}",
                    resolution="leave it in the root filesystem",
                )


def _check_groups(disk: DiskModel) -> None:
    """Every volume group has partitions and volumes, and every partition's group exists."""
    named = Counter(area.volume_group for area in disk.partitions if area.volume_group)
    for group in sorted(set(named) - set(disk.spec.volume_groups)):
        raise PlanError(
            "disk.partitions",
            f"volume group {group} has no logical volumes",
            resolution=f"add disk.volume_groups.{group}, or take volume_group out",
        )
    for group, volumes in disk.spec.volume_groups.items():
        if group not in named:
            raise PlanError(
                f"disk.volume_groups.{group}",
                "no partition belongs to it",
                resolution=f"add a partition {{size: rest, volume_group: {group}}}",
            )
        names = [volume.name for volume in volumes]
        if len(set(names)) != len(names) or not names:
            raise PlanError(
                f"disk.volume_groups.{group}",
                f"it needs logical volumes with names of their own, found {', '.join(names) or 'none'}",
                resolution="give each a name that no other volume of the group has",
            )
        _check_volume_types(disk.spec, group, named[group])
    table = disk.spec.table or "mbr"
    if len(disk.partitions) > (most := _MOST_PARTITIONS[table]):
        raise PlanError(
            "disk.partitions",
            f"{_TABLE_NAMES[table]} holds {most} partitions at most here",
            resolution="put the other filesystems into a volume group"
            + ("" if table == "gpt" else ", or use table: gpt (PV-GRUB 1.04 and later)"),
        )


def _check_volume_types(disk: Disk, group: str, physical_volumes: int) -> None:
    for index, volume in enumerate(disk.volume_groups[group]):
        key = f"disk.volume_groups.{group}.{index}"
        if volume.type == "thin":
            raise PlanError(
                f"{key}.type",
                "imagebuild does not make thin volumes: their content has no fixed place on the disk, so boot loaders "
                "cannot read it, and imagebuild cannot write and compare it there",
                resolution="use linear or striped; a raw image is sparse as it is",
            )
        if volume.type == "striped" and physical_volumes < 2:
            raise PlanError(
                f"{key}.type",
                f"striped needs at least two physical volumes, {group} has {physical_volumes}",
                resolution=f"add a partition {{size: …, volume_group: {group}}}, or use linear",
            )
