"""A PC that starts the image by its own boot code: SeaBIOS or OVMF under QEMU, one row a firmware.

SeaBIOS shows its screen on the serial port where QEMU is told that there is no other (`graphics=off`: etc/sercon-port),
so boot.img's own words ("GRUB Read Error") are heard, too. OVMF's console is on the serial port anyway; its variables
are empty, so it takes the removable path (EFI/BOOT/BOOTX64.EFI), as a machine that has never seen the disk does.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from imagebuild.bootloaders.modes import SERIAL_CONSOLE
from imagebuild.formats.pe import REMOVABLE_PATHS
from imagebuild.host.ovmf import find_ovmf
from imagebuild.image.boot_code import bios_code, efi_codes
from imagebuild.image.boot_files import NoEntry, default_entry_files
from imagebuild.image.subject import Subject
from imagebuild.report import Boot, Loader
from imagebuild.verify import signs
from imagebuild.verify.boot import Follower, Pace
from imagebuild.verify.console import Console, Ending, Fatal, Sign
from imagebuild.verify.machine import DiskFormat, base_arguments, machine, option_value, untouched_disk
from imagebuild.vocabulary import Accelerator, DiskBus, MachineName

_CPUS = 1
# How QEMU attaches the disk `image`.
_DISKS: Mapping[DiskBus, tuple[str, ...]] = {
    "virtio": ("-device", "virtio-blk-pci,drive=image"),
    "scsi": ("-device", "virtio-scsi-pci", "-device", "scsi-hd,drive=image"),
    "nvme": ("-device", "nvme,drive=image,serial=image"),
    "ide": ("-device", "ide-hd,drive=image"),
}


@dataclass(frozen=True, slots=True)
class Firmware:
    """`yardsticks`: the seconds that a milestone takes on a quiet machine with two cores and no KVM."""

    machine: MachineName
    arguments: Callable[[], list[str]]
    signs: tuple[Sign, ...]
    fatals: tuple[Fatal, ...]
    yardsticks: Mapping[str, float]

    @property
    def console_log(self) -> str:
        return f"console-{self.machine}.log"


def _seabios() -> list[str]:
    return ["-machine", "graphics=off"]


def _ovmf() -> list[str]:
    code, variables = find_ovmf()
    flash = "if=pflash,format=raw"
    return [
        "-drive", f"{flash},unit=0,readonly=on,file={option_value(code)}",
        "-drive", f"{flash},unit=1,snapshot=on,file={option_value(variables)}",
    ]  # fmt: skip


FIRMWARES: Mapping[MachineName, Firmware] = {
    "bios": Firmware(
        "bios", _seabios, signs.SEABIOS_SIGNS, signs.SEABIOS_FATALS, {signs.CODE: 2.0, signs.KERNEL: 20.0}
    ),
    "uefi": Firmware("uefi", _ovmf, signs.OVMF_SIGNS, signs.OVMF_FATALS, {signs.CODE: 8.0, signs.KERNEL: 30.0}),
}


def own_loader(subject: Subject, machine: MachineName) -> Loader | None:
    """What is known of the boot code that such a PC starts; None where the image has none for it.

    Boot code that is not GRUB 2's counts where the first sector ends as a BIOS wants it, and holds any program.
    """
    if machine == "uefi":
        files = [code for code in efi_codes(subject) if code.path == REMOVABLE_PATHS["x86_64"]]
        content = files[0].content or b"" if files else b""
        version = f"GRUB {files[0].version}" if files and files[0].version else "an EFI application of unknown origin"
        return Loader(kind="own", version=version, sha256=hashlib.sha256(content).hexdigest()) if files else None
    if code := bios_code(subject):
        version = f"GRUB {code.version}" if code.version else "GRUB 2"
        return Loader(kind="own", version=version, sha256=hashlib.sha256(code.core).hexdigest())
    with subject.raw.open("rb") as file:
        sector = file.read(512)
    if sector[510:] != b"\x55\xaa" or not any(sector[:440]):
        return None
    return Loader(kind="own", version="boot code of unknown origin", sha256=hashlib.sha256(sector[:440]).hexdigest())


def unheard(subject: Subject) -> str:
    """Why nothing would be heard of the guest on a PC; empty where its kernel speaks to the serial port."""
    files = default_entry_files(subject)
    if isinstance(files, NoEntry) or any(word.startswith(SERIAL_CONSOLE) for word in files.command_line.split()):
        return ""
    return f"the entry that starts has no {SERIAL_CONSOLE} on its command line: on a PC nothing would be heard of it"


@dataclass(frozen=True, slots=True)
class PcBoot:
    """One boot to do. `menu_text` and `menu_waits` are what is known of the image's menu, `loader` of its boot code."""

    image: Path
    firmware: Firmware
    loader: Loader
    disk: DiskBus
    memory_bytes: int
    timeout_seconds: float
    expect: str
    menu_text: str
    menu_waits: bool
    image_format: DiskFormat = "raw"


def machine_arguments(
    firmware: Firmware, accelerator: Accelerator, memory_bytes: int, disk: DiskBus = "virtio"
) -> list[str]:
    """The argv of such a PC, its disk attached to the drive `image`. Raises HostError where the firmware is missing."""
    return [*base_arguments(accelerator, _CPUS, memory_bytes), *firmware.arguments(), *_DISKS[disk]]


def boot_as_pc(
    task: PcBoot,
    accelerator: Accelerator,
    output: Path,
    pace: Pace,
    note: Callable[[str, float], None],
    stop: threading.Event,
) -> tuple[Boot, Ending]:
    """Boot the image and say how it ended. The console log goes to `output`.

    Raises VerifyError or HostError when QEMU cannot be run, Interrupted when `stop` is set.
    """
    firmware = task.firmware
    arguments = machine_arguments(firmware, accelerator, task.memory_bytes, task.disk)
    arguments += untouched_disk("image", task.image, task.image_format)
    with (output / firmware.console_log).open("wb", buffering=0) as log, machine(arguments) as running:
        milestones = signs.pc_signs(firmware.signs, task.expect, task.menu_text)
        fatals = signs.pc_fatals(firmware.fatals, menu_waits=task.menu_waits)
        console = Console(milestones, fatals, log)
        follower = Follower(console, running, task.timeout_seconds, pace, note, stop, firmware.yardsticks)
        ending = follower.follow()
        boot = Boot(
            machine=firmware.machine,
            end=ending.end,
            milestones=tuple(console.milestones),
            console=firmware.console_log,
            loader=task.loader,
            seconds=round(running.seconds(), 2),
            detail=f"{ending.detail}; the disk is attached as {task.disk}",
        )
    return boot, ending
