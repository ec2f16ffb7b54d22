"""An image booted on this terminal. Thin: QEMU does the work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imagebuild.errors import OK, BuildError, VerifyError
from imagebuild.events import Progress
from imagebuild.host import command
from imagebuild.host.acceleration import PACKAGE, PROGRAM, accelerator
from imagebuild.host.cache import Cache
from imagebuild.host.scratch import scratch_folder
from imagebuild.image.boot_files import NoEntry, default_entry_files
from imagebuild.image.raw_view import disk_format_of
from imagebuild.image.subject import Subject, open_subject
from imagebuild.testhost import TestHost, Tools, find, prepare
from imagebuild.verify.machine import base_arguments, option_value, untouched_disk
from imagebuild.vocabulary import BootMode

if TYPE_CHECKING:
    from imagebuild.verify.qemu import DiskDriver

# Ctrl-A X ends QEMU; Ctrl-C is the guest's.
_TERMINAL = ("-serial", "mon:stdio")


@dataclass(frozen=True, slots=True, kw_only=True)
class BootRequest:
    """`mode` None: QEMU starts the kernel that the menu names. `keep`: the guest writes into the image itself.

    `pv_grub` None: what is found."""

    image: Path
    memory_bytes: int
    mode: BootMode | None = None
    keep: bool = False
    pv_grub: Path | None = None


def boot_image(request: BootRequest, cache: Cache, progress: Progress, on_start: Callable[[], None]) -> None:
    """Boot, and return when the machine has ended. `on_start` is called when it takes over the terminal.

    Raises VerifyError when the image's menu names nothing that can be started, HostError when a program is missing,
    BuildError when QEMU fails.
    """
    command.require(PROGRAM, PACKAGE)
    host = prepare(cache, progress)[0] if request.mode else find(cache)  # FAT and Xen want its programs
    tools = host.tools if host else Tools(Path("/nonexistent"))  # ext needs none of them
    with scratch_folder() as scratch, open_subject(request.image, tools, scratch) as subject:
        if request.mode in ("pv", "pvh") and host is not None:
            argv = _xen_machine(request, subject, host, scratch, cache, progress)
        elif request.mode is not None:
            argv = _pc(request, request.mode, subject, cache)
        else:
            argv = _plain_machine(request, subject, scratch, cache)
        on_start()
        code = command.foreground(argv)
    if code != OK:
        raise BuildError(f"QEMU ended with {code}", resolution="see its message above; imagebuild doctor checks QEMU")


def _plain_machine(request: BootRequest, subject: Subject, scratch: Path, cache: Cache) -> list[str]:
    from imagebuild.verify.qemu import ADDED_ARGUMENT, disk_driver

    files = default_entry_files(subject)
    if isinstance(files, NoEntry):
        raise VerifyError(f"{request.image}: its menu names nothing that can be started: {files.reason}",
                          resolution=f"look into it: imagebuild shell {request.image}")  # fmt: skip
    argv = [PROGRAM, *base_arguments(accelerator(cache), 1, request.memory_bytes), *_TERMINAL, *_disk(request, subject)]
    (scratch / "kernel").write_bytes(files.kernel)
    argv += ["-kernel", str(scratch / "kernel"), "-append", f"{files.command_line} {ADDED_ARGUMENT}"]
    if files.initrd is not None:
        (scratch / "initrd").write_bytes(files.initrd)
        argv += ["-initrd", option_value(scratch / "initrd")]
    driver = disk_driver(files.initrd)
    if driver is None:
        raise VerifyError(f"{request.image}: its initrd has no driver for QEMU's disks, only for Xen's",
                          resolution="boot it with --xen")  # fmt: skip
    return [*argv, *_attached(driver)]


def _pc(request: BootRequest, mode: BootMode, subject: Subject, cache: Cache) -> list[str]:
    from imagebuild.bootloaders.modes import MODES
    from imagebuild.verify.firmware import FIRMWARES, machine_arguments, own_loader

    machine = MODES[mode].machine
    if own_loader(subject, machine) is None:
        raise VerifyError(
            f"{request.image} carries no boot code for {MODES[mode].title}",
            resolution="boot it without --mode, or build it with boot.modes",
        )
    arguments = machine_arguments(FIRMWARES[machine], accelerator(cache), request.memory_bytes)
    return [PROGRAM, *arguments, *_TERMINAL, *_disk(request, subject)]


def _attached(driver: DiskDriver) -> list[str]:
    if driver.device == "virtio-scsi-pci":
        return ["-device", "virtio-scsi-pci", "-device", "scsi-hd,drive=image"]
    return ["-device", f"{driver.device},drive=image"]


def _xen_machine(
    request: BootRequest, subject: Subject, host: TestHost, scratch: Path, cache: Cache, progress: Progress
) -> list[str]:
    from imagebuild.verify import xen
    from imagebuild.verify.guests import PV, PVH
    from imagebuild.verify.loaders import choose_loader, pvh_guest_loader

    known = subject.menu_at is not None and subject.menu_at.is_first
    if request.mode == "pvh":
        guest, loader = PVH, pvh_guest_loader(host, subject.layout, cache, progress)
    else:
        guest = PV
        loader = choose_loader(host, subject.layout, menu_path=subject.menu_path if known else None,
                               asked=request.pv_grub, cache=cache)  # fmt: skip
    task = xen.XenBoot(image=subject.raw, loader=loader, memory_bytes=request.memory_bytes, timeout_seconds=0,
                       expect="", menu_text=subject.menu_text, menu_waits=False, guest=guest)  # fmt: skip
    (scratch / "job.tar").write_bytes(xen.job_archive(task))
    argv = ["env", f"--chdir={host.folder}", PROGRAM, *_TERMINAL]
    memory_bytes = xen.machine_memory_bytes(request.memory_bytes, guest)
    argv += xen.machine_arguments(accelerator(cache), memory_bytes, guest)
    argv += [*_disk(request, subject), *untouched_disk("job", scratch / "job.tar")]
    for name in ("image", "job"):
        argv += ["-device", f"scsi-hd,bus=scsi.0,id={name},drive={name},product={name},vendor=imgbuild"]
    return argv


def _disk(request: BootRequest, subject: Subject) -> list[str]:
    """The image as a disk that is not attached yet."""
    if not request.keep:
        return untouched_disk("image", subject.raw)
    kind = disk_format_of(request.image)
    return ["-drive", f"if=none,id=image,file={option_value(request.image.absolute())},format={kind}"]
