"""What the boot modes of a recipe ask of its disk, its kernels and its menu; what cannot be is refused with the reason.

The boot code itself is made by testhost/boot_code.py; what that tells (BootCodeFacts) comes into the plan as facts.
"""

from __future__ import annotations

from collections.abc import Iterable

from imagebuild.bootloaders.modes import MODES, SERIAL_CONSOLE, BootCode, consoles_of, has_own_code
from imagebuild.errors import PlanError
from imagebuild.filesystems.table import FILESYSTEMS
from imagebuild.plan.areas import Area, Arrangement, DiskModel, Placed
from imagebuild.plan.disk_vocabulary import SECTOR_BYTES, DiskStep, FatFile, MakeFat, WriteBootCode
from imagebuild.plan.facts import BootCodeFacts, BootCodeFile
from imagebuild.plan.refusals import all_at_once
from imagebuild.recipe.model import Recipe

MODES_KEY = "boot.modes"
PENDING = "the boot code's version and digests: GRUB's packages are not in the cache"
_HD0 = "use layout hd00, with the boot partition first (rootfs.image with layout hd00 makes one of an hd0 image)"


def command_line(recipe: Recipe) -> str:
    """The recipe's kernel command line; left out, `ro` and the consoles of its modes."""
    if "command_line" in recipe.boot.model_fields_set:
        return recipe.boot.command_line
    return f"ro {consoles_of(recipe.boot.modes)}"


def check_modes(recipe: Recipe, disk: DiskModel) -> None:
    """Raises PlanError for modes that the disk, the architecture or the command line cannot serve, all at once."""
    all_at_once(
        lambda: _check_layout(recipe),
        lambda: _check_architecture(recipe),
        lambda: _check_console(recipe),
        lambda: _check_places(recipe, disk),
    )


def _refused(message: str, resolution: str, key: str = MODES_KEY) -> PlanError:
    return PlanError(key, message, resolution=resolution)


def _check_layout(recipe: Recipe) -> None:
    modes, disk = recipe.boot.modes, recipe.disk
    if disk.is_partitioned:
        return
    if "uefi" in modes:
        raise _refused("uefi needs an EFI system partition, and an hd0 disk has no partition table", _HD0)
    if "bios" in modes:
        assert disk.filesystem is not None  # the model insists on it for hd0
        kind = disk.filesystem.type
        room = f"{kind} leaves {FILESYSTEMS[kind].front_bytes // 1024} KiB"
        raise _refused(
            f"bios needs room for GRUB's core of some 220 KiB in front of the first filesystem, and {room}: it would "
            "have to lie in a file, by a list of blocks that the first defragmentation or restored backup makes wrong",
            _HD0,
        )


def _check_architecture(recipe: Recipe) -> None:
    if recipe.architecture == "i386" and "uefi" in recipe.boot.modes:
        raise _refused(
            "uefi is made for x86_64 only: the firmware of a 64-bit PC starts no 32-bit loader",
            "leave uefi out, or use an x86_64 image",
        )


def _check_console(recipe: Recipe) -> None:
    """The machines that prove bios and uefi hear the serial port alone."""
    line = command_line(recipe).split()
    for name in recipe.boot.modes:
        proven = getattr(recipe.verify, MODES[name].machine)
        if MODES[name].code and proven and not any(word.startswith(SERIAL_CONSOLE) for word in line):
            raise _refused(
                f"no {SERIAL_CONSOLE}: nobody would hear whether the image boots in the mode {name}",
                f"add {SERIAL_CONSOLE},115200n8, leave command_line out, or do not prove it: verify: {{{name}: false}}",
                "boot.command_line",
            )


def _check_places(recipe: Recipe, disk: DiskModel) -> None:
    """Partitions for boot code stand where a loader wants none first, and only for modes that are asked for."""
    for area in disk.partitions:
        if area.role and area.place == "hd0,0":
            raise PlanError(
                f"{area.key}.type",
                f"the first partition is the boot partition's: {recipe.boot.loader} expects it there",
                resolution="put it last",
            )
    if sum(area.role == "bios-boot" for area in disk.partitions) > 1 or len(_of(disk, "esp")) > 1:
        raise PlanError("disk.partitions", "one esp and one bios-boot partition at most", resolution="leave one out")
    if _of(disk, "bios-boot") and disk.spec.table != "gpt":
        raise PlanError(
            f"{_of(disk, 'bios-boot')[0].key}.type",
            "a bios-boot partition belongs to a GPT: with an MBR GRUB's core lies in front of the first partition",
            resolution="leave it out, or use table: gpt",
        )


def _of(disk: DiskModel, role: str) -> list[Area]:
    return [area for area in disk.partitions if area.role == role]


def modules_of(recipe: Recipe) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    """Drivers that the initrd must hold for the modes, and those to take along where there are any."""
    needs = dict.fromkeys(need for name in recipe.boot.modes for need in MODES[name].drivers)
    more = dict.fromkeys(driver for name in recipe.boot.modes for driver in MODES[name].more_drivers)
    return list(needs), tuple(more)


def codes_of(recipe: Recipe) -> tuple[BootCode, ...]:
    """The boot code that the image carries."""
    return tuple(code for name in recipe.boot.modes if (code := MODES[name].code))


def pending(recipe: Recipe, code: BootCodeFacts | None) -> tuple[str, ...]:
    """What only GRUB's packages tell."""
    return (PENDING,) if code is None and has_own_code(recipe.boot.modes) else ()


def boot_code_steps(recipe: Recipe, arrangement: Arrangement, code: BootCodeFacts | None) -> list[WriteBootCode]:
    """The steps for a BIOS. Raises PlanError where the core does not fit."""
    bios = MODES["bios"].code
    if code is None or bios is None or "bios" not in recipe.boot.modes:
        return []
    core = code.file(bios.platform, bios.core)
    start, room = _core_place(arrangement)
    if core.size_bytes > room * SECTOR_BYTES:
        raise PlanError(
            "disk.partitions",
            f"GRUB's core has {-(-core.size_bytes // SECTOR_BYTES)} sectors, its place has {room}",
            resolution="make the bios-boot partition 1MiB or larger",
        )
    return [
        WriteBootCode(
            first=code.file(bios.platform, bios.first),
            core=core,
            start_sector=start,
            most_sectors=room,
        )
    ]


def _core_place(arrangement: Arrangement) -> tuple[int, int]:
    """The first sector and the number of sectors of the gap before the first partition, or of the BIOS boot partition.

    On a GPT there is no gap: its entries end somewhere before the first partition, and others may use the rest.
    """
    own: list[Placed] = [placed for placed in arrangement.partitions if placed.area.role == "bios-boot"]
    if own:
        return own[0].start_bytes // SECTOR_BYTES, own[0].size_bytes // SECTOR_BYTES
    return 1, min(placed.start_bytes for placed in arrangement.partitions) // SECTOR_BYTES - 1


def esp_files(recipe: Recipe, area: Area, code: BootCodeFacts | None) -> tuple[FatFile, ...]:
    """What lies on an EFI system partition: the cores of the modes that look there."""
    if area.role != "esp" or code is None:
        return ()
    return tuple(
        FatFile(path=item.path, file=code.file(item.platform, item.core)) for item in codes_of(recipe) if item.path
    )


def boot_code_files(steps: Iterable[DiskStep]) -> list[BootCodeFile]:
    """Every file of boot code that the steps write."""
    found: list[BootCodeFile] = []
    for step in steps:
        if isinstance(step, WriteBootCode):
            found += [step.first, step.core]
        elif isinstance(step, MakeFat):
            found += [item.file for item in step.files]
    return found
