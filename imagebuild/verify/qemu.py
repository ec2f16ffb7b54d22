"""A boot without Xen: QEMU starts the kernel, the initrd and the command line that the image's own menu names.

One thing is added to the command line: `console=ttyS0`, so that the boot can be heard (hvc0 exists only under Xen).
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from imagebuild.formats.initrd import InitrdError, holds_module, read_initrd
from imagebuild.host.acceleration import qemu_version
from imagebuild.report import Boot, Loader
from imagebuild.verify import signs
from imagebuild.verify.boot import Follower, Pace
from imagebuild.verify.console import Console, Ending
from imagebuild.verify.machine import base_arguments, machine, option_value, untouched_disk
from imagebuild.vocabulary import Accelerator

CONSOLE_LOG = "console-qemu.log"
ADDED_ARGUMENT = "console=ttyS0"
_CPUS = 1
# Seconds on a quiet machine with two cores and no KVM.
_YARDSTICKS = {signs.KERNEL: 2.5, signs.ROOT: 12.0, signs.INIT: 15.0}
_XEN_ONLY_ROOT = re.compile(r"(?:^|\s)root=(/dev/xvd\S+)")


@dataclass(frozen=True, slots=True)
class DiskDriver:
    """A way to attach the disk: QEMU's device, and the modules of which an initrd needs all."""

    device: str
    modules: tuple[str, ...]


# The fastest first.
_DRIVERS = (
    DiskDriver("virtio-blk-pci", ("virtio_pci", "virtio_blk")),
    DiskDriver("virtio-scsi-pci", ("virtio_pci", "virtio_scsi", "sd_mod")),
    DiskDriver("ide-hd", ("ahci", "sd_mod")),
)


@dataclass(frozen=True, slots=True)
class QemuBoot:
    """One boot to do: the files and the command line of the menu's default entry, as they are in the image."""

    image: Path
    kernel: bytes
    initrd: bytes | None
    command_line: str
    memory_bytes: int
    timeout_seconds: float
    expect: str


def why_not(task: QemuBoot) -> str | None:
    """Why this image cannot be booted without Xen, though it may be good; None if it can."""
    if found := _XEN_ONLY_ROOT.search(task.command_line):
        return f"root={found[1]} is a disk that only Xen has"
    if disk_driver(task.initrd) is None:
        return "the initrd has no driver for any disk that QEMU can attach (virtio, AHCI), perhaps only for Xen's"
    return None


def disk_driver(initrd: bytes | None) -> DiskDriver | None:
    """The fastest way to attach the disk that the initrd has the modules for."""
    if initrd is None:
        return _DRIVERS[0]
    try:
        facts = read_initrd(initrd)
    except InitrdError:
        return _DRIVERS[0]  # the boot will tell
    return next((each for each in _DRIVERS if all(holds_module(facts, name) for name in each.modules)), None)


def boot_under_qemu(
    task: QemuBoot,
    accelerator: Accelerator,
    output: Path,
    scratch: Path,
    pace: Pace,
    note: Callable[[str, float], None],
    stop: threading.Event,
) -> tuple[Boot, Ending]:
    """Boot the image and say how it ended. The console log goes to `output`, temporary files to `scratch`.

    Raises VerifyError or HostError when QEMU cannot be run, Interrupted when `stop` is set.
    """
    arguments = [*base_arguments(accelerator, _CPUS, task.memory_bytes), *_attached(task, scratch)]
    with (output / CONSOLE_LOG).open("wb", buffering=0) as log, machine(arguments) as running:
        console = Console(signs.qemu_signs(task.expect), signs.GUEST_FATALS, log)
        ending = Follower(console, running, task.timeout_seconds, pace, note, stop, _YARDSTICKS).follow()
        boot = Boot(
            machine="qemu",
            end=ending.end,
            milestones=tuple(console.milestones),
            console=CONSOLE_LOG,
            loader=Loader(kind="direct", version=qemu_version()),
            seconds=round(running.seconds(), 2),
            detail=f"{ending.detail}; {ADDED_ARGUMENT} was added to the kernel's command line",
        )
    return boot, ending


def _attached(task: QemuBoot, scratch: Path) -> list[str]:
    """The words for kernel, initrd, command line and disk."""
    driver = disk_driver(task.initrd) or _DRIVERS[0]
    words = ["-kernel", str(_written(scratch, task.kernel)), "-append", f"{task.command_line} {ADDED_ARGUMENT}"]
    if task.initrd is not None:
        words += ["-initrd", option_value(_written(scratch, task.initrd))]
    words += untouched_disk("image", task.image)
    if driver.device == "virtio-scsi-pci":
        return [*words, "-device", "virtio-scsi-pci", "-device", "scsi-hd,drive=image"]
    return [*words, "-device", f"{driver.device},drive=image"]


def _written(scratch: Path, content: bytes) -> Path:
    path = scratch / hashlib.sha256(content).hexdigest()[:16]
    path.write_bytes(content)
    return path
