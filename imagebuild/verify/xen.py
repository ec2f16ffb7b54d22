"""The whole PV path: QEMU runs Xen, Xen runs our dom0, dom0 runs the image as a PV guest that starts with PV-GRUB.

    1. QEMU starts without any disk. dom0, which is an initial ramdisk, gets ready and waits.
    2. The image and the job (a tar file with the guest's configuration and its loader) are plugged in as SCSI disks.
    3. dom0 finds them by their product names and runs `xl create -c`: from here on the console is the guest's.

The state of a ready dom0 is kept (state.py), so that step 1 is done once.
"""

from __future__ import annotations

import io
import tarfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from imagebuild.host.acceleration import Accelerator
from imagebuild.report import Boot
from imagebuild.verify import signs
from imagebuild.verify.boot import Follower, Pace, Yardstick
from imagebuild.verify.console import Console, Ending
from imagebuild.verify.loaders import GuestLoader
from imagebuild.verify.machine import Machine, base_arguments, machine, untouched_disk
from imagebuild.verify.testhost import TestHost, definition

CONSOLE_LOG = "console-xen.log"
# Xen, what QEMU's firmware keeps, and some air.
_XEN_MEMORY_BYTES = 192 * 2**20
_CPUS = 1
# On a quiet machine with two cores and no KVM.
_YARDSTICK = Yardstick(signs.DOM0, 12.0)
_SECTOR_BYTES = 512


@dataclass(frozen=True, slots=True)
class XenBoot:
    """One boot to do. `memory_bytes` is the guest's; `menu_text` and `menu_waits` are what is known of its menu."""

    image: Path
    loader: GuestLoader
    memory_bytes: int
    timeout_seconds: float
    expect: str
    menu_text: str
    menu_waits: bool


def machine_memory_bytes(guest_memory_bytes: int) -> int:
    """What QEMU's machine has for a guest of this size."""
    return guest_memory_bytes + definition.DOM0_MEMORY_MIB * 2**20 + _XEN_MEMORY_BYTES


def machine_arguments(accelerator: Accelerator, memory_bytes: int) -> list[str]:
    """The words for a machine that runs Xen and dom0 and has no disk; file names are relative to the test host."""
    return [
        *base_arguments(accelerator, _CPUS, memory_bytes),
        "-kernel", "xen", "-append", definition.XEN_COMMAND_LINE,
        "-initrd", f"vmlinuz {definition.DOM0_COMMAND_LINE},initrd.img",
        "-device", "virtio-scsi-pci,id=scsi",
    ]  # fmt: skip


def boot_under_xen(
    task: XenBoot,
    host: TestHost,
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
    job = scratch / "job.tar"
    job.write_bytes(job_archive(task))
    arguments = [*machine_arguments(accelerator, machine_memory_bytes(task.memory_bytes)), *_disks(task.image, job)]
    with (output / CONSOLE_LOG).open("wb") as log, machine(arguments, folder=host.folder) as running:
        console = Console(
            signs.xen_signs(task.expect, task.menu_text),
            signs.xen_fatals(task.loader.facts.kind, menu_waits=task.menu_waits),
            log,
        )
        follower = Follower(console, running, task.timeout_seconds, pace, note, stop, _YARDSTICK)
        ending = follower.follow(until=signs.DOM0)
        if ending is None:
            _plug_in(running)
            ending = follower.follow()
        assert ending is not None
        boot = Boot(
            machine="xen",
            end=ending.end,
            milestones=tuple(console.milestones),
            console=CONSOLE_LOG,
            loader=task.loader.facts,
            seconds=round(running.seconds(), 2),
            detail=ending.detail,
        )
    return boot, ending


def _disks(image: Path, job: Path) -> list[str]:
    return [*untouched_disk("image", image), *untouched_disk("job", job)]


def _plug_in(running: Machine) -> None:
    for name in ("image", "job"):
        running.execute(
            "device_add", driver="scsi-hd", id=name, drive=name, bus="scsi.0", product=name, vendor="imgbuild"
        )


def guest_configuration(task: XenBoot) -> str:
    """xl.cfg(5). The guest ends with its first shutdown, crash or reboot."""
    return "".join(
        f"{line}\n"
        for line in (
            'name="guest"',
            'type="pv"',
            'kernel="/job/loader"',
            f'extra="{task.loader.extra}"',
            f"memory={task.memory_bytes // 2**20}",
            "vcpus=1",
            "disk=['phy:/dev/image,xvda,w']",
            *(f'on_{event}="destroy"' for event in ("poweroff", "reboot", "crash")),
        )
    )


def job_archive(task: XenBoot) -> bytes:
    """What dom0 needs for this boot: a tar file, as long as whole sectors."""
    files = {
        "guest.cfg": guest_configuration(task).encode(),
        "loader": task.loader.path.read_bytes(),
        "now": str(int(time.time())).encode(),
    }
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    data = output.getvalue()
    return data + b"\0" * (-len(data) % _SECTOR_BYTES)
