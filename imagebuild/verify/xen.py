"""The whole path under Xen: QEMU runs Xen, Xen runs our dom0, dom0 runs the image as a guest that starts with a loader.

    1. QEMU starts without any disk. dom0, which is an initial ramdisk, gets ready and waits.
    2. The image and the job (a tar file with the guest's configuration and its loader) are plugged in as SCSI disks.
    3. dom0 finds them by their product names and runs `xl create`: from here on the console is the guest's.

The state of a ready dom0 is kept (state.py), so that step 1 is done once; where it cannot be taken up, it is done anew.
What PV and PVH guests differ in: guests.py.
"""

from __future__ import annotations

import contextlib
import io
import tarfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from imagebuild.errors import HostError, VerifyError
from imagebuild.host.acceleration import qemu_version
from imagebuild.host.cache import Cache
from imagebuild.report import Boot
from imagebuild.testhost import TestHost, definition
from imagebuild.verify import signs
from imagebuild.verify.boot import Follower, Pace
from imagebuild.verify.console import Console, Ending
from imagebuild.verify.guests import PV, GuestKind
from imagebuild.verify.loaders import GuestLoader
from imagebuild.verify.machine import DiskFormat, Machine, base_arguments, machine, untouched_disk
from imagebuild.verify.state import INCOMING, KeptState, StateStore, take_up
from imagebuild.vocabulary import Accelerator

# Xen, what QEMU's firmware keeps, and some air.
_XEN_MEMORY_BYTES = 192 * 2**20
# One processor for dom0 and the guest: with two, every disk request waits for both of the host's to be free.
_CPUS = 1
# Seconds on a quiet machine with two cores and no KVM: from the start, and from a kept state.
_BOOTED = {signs.DOM0: 10.0, signs.LOADER: 14.0, signs.KERNEL: 45.0, signs.ROOT: 60.0}
_TAKEN_UP = {signs.GUEST: 2.5, signs.LOADER: 7.0, signs.KERNEL: 35.0, signs.ROOT: 50.0}
# How long a dom0 that was taken up may need to say its first word.
_FIRST_WORD_SECONDS = 20.0
_SECTOR_BYTES = 512
_JOB = "job.tar"
_TAKEN_UP_NOTE = b"\r\n[imagebuild: what is above was said when this dom0 was booted; here it goes on]\r\n"


@dataclass(frozen=True, slots=True)
class XenBoot:
    """One boot to do. `memory_bytes` is the guest's; `menu_text` and `menu_waits` are what is known of its menu.

    `proves` is `fallback` where the image is an overlay (qcow2) on which the default entry's kernel is broken.
    """

    image: Path
    loader: GuestLoader
    memory_bytes: int
    timeout_seconds: float
    expect: str
    menu_text: str
    menu_waits: bool
    proves: Literal["default", "fallback"] = "default"
    guest: GuestKind = PV

    @property
    def image_format(self) -> DiskFormat:
        return "raw" if self.proves == "default" else "qcow2"

    @property
    def console_log(self) -> str:
        return self.guest.console_log if self.proves == "default" else self.guest.fallback_console_log


def machine_memory_bytes(guest_memory_bytes: int, guest: GuestKind = PV) -> int:
    """What QEMU's machine has for a guest of this size."""
    return guest_memory_bytes + definition.DOM0_MEMORY_MIB * 2**20 + _XEN_MEMORY_BYTES + guest.more_memory_bytes


def machine_arguments(possible: Accelerator, memory_bytes: int, guest: GuestKind = PV) -> list[str]:
    """The argv of a machine that runs Xen and dom0 and has no disk; file names are relative to the test host."""
    accelerator = guest.accelerator(possible)
    return [
        *base_arguments(accelerator, _CPUS, memory_bytes, guest.cpus[accelerator]),
        "-kernel", "xen", "-append", definition.XEN_COMMAND_LINE,
        "-initrd", f"vmlinuz {definition.DOM0_COMMAND_LINE},initrd.img",
        "-device", "virtio-scsi-pci,id=scsi,ioeventfd=off",
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class XenHost:
    """What boots can share: the test host, how QEMU runs it, the cache for the state of a ready dom0."""

    files: TestHost
    accelerator: Accelerator
    cache: Cache
    pace: Pace
    stop: threading.Event


def boot_under_xen(
    task: XenBoot, host: XenHost, output: Path, scratch: Path, note: Callable[[str, float], None]
) -> tuple[Boot, Ending]:
    """Boot the image and say how it ended. The console log goes to `output`, temporary files to `scratch`.

    Raises VerifyError or HostError when QEMU cannot be run, Interrupted when told to stop.
    """
    (scratch / _JOB).write_bytes(job_archive(task))
    memory_bytes = machine_memory_bytes(task.memory_bytes, task.guest)
    bare = machine_arguments(host.accelerator, memory_bytes, task.guest)
    store = StateStore.of(host.cache, bare, host.files.folder, qemu_version())
    if kept := store.find():
        with contextlib.suppress(VerifyError):
            if result := _boot(task, host, bare, output, scratch, note, _TakenUp(kept)):
                return result
        store.forget()
    result = _boot(task, host, bare, output, scratch, note, _Booted(store))
    assert result is not None
    return result


def _boot(
    task: XenBoot,
    host: XenHost,
    bare: list[str],
    output: Path,
    scratch: Path,
    note: Callable[[str, float], None],
    way: _Way,
) -> tuple[Boot, Ending] | None:
    """One boot; None when dom0 did not come to life in this way."""
    path = output / task.console_log
    disks = [*untouched_disk("image", task.image, task.image_format), *untouched_disk("job", scratch / _JOB)]
    arguments = [*bare, *disks, *way.arguments]
    with path.open("wb", buffering=0) as log, machine(arguments, folder=host.files.folder) as running:
        has_loader = not task.loader.is_kernel
        fatals = signs.xen_fatals(
            task.loader.facts.kind, menu_waits=task.menu_waits, has_loader=has_loader,
            falls_back=task.proves == "fallback",
        )  # fmt: skip
        console = Console(signs.xen_signs(task.expect, task.menu_text, has_loader=has_loader), fatals, log)
        follower = Follower(console, running, task.timeout_seconds, host.pace, note, host.stop, way.yardsticks)
        if not way.prepare(follower, path):
            return None
        ending = follower.follow()
        boot = Boot(
            machine=task.guest.machine,
            proves=task.proves,
            end=ending.end,
            milestones=tuple(console.milestones),
            console=task.console_log,
            loader=task.loader.facts,
            seconds=round(running.seconds(), 2),
            detail=ending.detail,
        )
    return boot, ending


class _Way(Protocol):
    """How dom0 gets ready. `prepare` returns whether it did, or the boot is decided already."""

    arguments: tuple[str, ...]
    yardsticks: Mapping[str, float]

    def prepare(self, follower: Follower, log: Path) -> bool: ...


class _Booted:
    """From the start; the state is kept for the next time."""

    arguments: tuple[str, ...] = ()
    yardsticks: Mapping[str, float] = _BOOTED

    def __init__(self, store: StateStore) -> None:
        self._store = store

    def prepare(self, follower: Follower, log: Path) -> bool:
        if follower.follow_to(signs.DOM0):
            with contextlib.suppress(VerifyError, HostError, OSError):  # no state then: only time is lost
                self._store.keep(follower.machine, log, follower.stop)
            follower.listen_again()
            _plug_in(follower.machine)
        return True


class _TakenUp:
    """From a kept state."""

    arguments: tuple[str, ...] = INCOMING
    yardsticks: Mapping[str, float] = _TAKEN_UP

    def __init__(self, kept: KeptState) -> None:
        self._kept = kept

    def prepare(self, follower: Follower, log: Path) -> bool:
        take_up(follower.machine, self._kept, follower.stop)
        follower.console.recall(self._kept.console.read_bytes(), _TAKEN_UP_NOTE)
        follower.reach(signs.XEN, signs.DOM0)
        follower.machine.execute("cont")
        _plug_in(follower.machine)
        return follower.follow_to(signs.GUEST, _FIRST_WORD_SECONDS * follower.pace.factor)


def _plug_in(running: Machine) -> None:
    for name in ("image", "job"):
        identity = {"id": name, "drive": name, "product": name, "vendor": "imgbuild"}
        running.execute("device_add", driver="scsi-hd", bus="scsi.0", **identity)


def guest_configuration(task: XenBoot) -> str:
    """xl.cfg(5). The guest ends with its first shutdown, crash or reboot."""
    return "".join(
        f"{line}\n"
        for line in (
            'name="guest"',
            f'type="{task.guest.type}"',
            # Without one, xl asks the kernel for random bytes and waits seconds for the first.
            'uuid="00000000-0000-4000-8000-000000000001"',
            'kernel="/job/loader"',
            *(('ramdisk="/job/ramdisk"',) if task.loader.ramdisk else ()),
            f'extra="{task.loader.extra}"',
            f"memory={task.memory_bytes // 2**20}",
            "vcpus=1",
            *task.guest.settings,
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
    if task.loader.ramdisk:
        files["ramdisk"] = task.loader.ramdisk.read_bytes()
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    data = output.getvalue()
    return data + b"\0" * (-len(data) % _SECTOR_BYTES)
