"""`boot` and `shell`: an image's console, and a look into its filesystems. Thin: QEMU and guestfish do the work."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imagebuild.cli.terminal import Watcher, choose_display, showing
from imagebuild.cli.verify import boot_settings, check_file
from imagebuild.errors import OK, BuildError, VerifyError
from imagebuild.host import command
from imagebuild.host.cache import Cache
from imagebuild.host.scratch import scratch_folder

if TYPE_CHECKING:
    from imagebuild.image.subject import Subject
    from imagebuild.testhost import TestHost

# Ctrl-A X ends QEMU; Ctrl-C is the guest's.
_TERMINAL = ("-serial", "mon:stdio")


@dataclass(frozen=True, slots=True)
class BootWords:
    """What the command line says. `keep`: the guest writes into the image itself."""

    image: Path
    xen: bool = False
    keep: bool = False
    pv_grub: Path | None = None
    memory: str | None = None


def boot_image(words: BootWords) -> int:
    """Boot on this terminal. Raises VerifyError when the image's menu names nothing that can be started."""
    from imagebuild.host.acceleration import PACKAGE, PROGRAM
    from imagebuild.image.subject import open_subject
    from imagebuild.testhost import Tools, find, prepare

    check_file(words.image, "image")
    if words.pv_grub:
        check_file(words.pv_grub, "PV-GRUB")
    command.require(PROGRAM, PACKAGE)
    if words.xen:
        with showing(choose_display(sys.stderr)) as display:
            host: TestHost | None = prepare(Cache(), Watcher(display))[0]
    else:
        host = find(Cache())
    tools = host.tools if host else Tools(Path("/nonexistent"))  # ext needs none of them
    with (
        scratch_folder() as name,
        open_subject(words.image, tools, name) as subject,
    ):
        if words.xen:
            assert host is not None
            argv = _xen_machine(words, subject, host, name)
        else:
            argv = _plain_machine(words, subject, name)
        end = "the guest writes into the image" if words.keep else "changes are thrown away"
        print(f"{words.image}: booting; {end}; Ctrl-A X ends the machine", file=sys.stderr, flush=True)
        code = command.foreground(argv)
    if code != OK:
        raise BuildError(f"QEMU ended with {code}", resolution="see what it said above; imagebuild doctor tries QEMU")
    return OK


def _plain_machine(words: BootWords, subject: Subject, scratch: Path) -> list[str]:
    from imagebuild.host.acceleration import PROGRAM, accelerator
    from imagebuild.image.boot_files import NoEntry, default_entry_files
    from imagebuild.verify.machine import base_arguments, option_value
    from imagebuild.verify.qemu import ADDED_ARGUMENT, disk_driver

    files = default_entry_files(subject)
    if isinstance(files, NoEntry):
        raise VerifyError(f"{words.image}: its menu names nothing that can be started: {files.reason}",
                          resolution=f"look into it: imagebuild shell {words.image}")  # fmt: skip
    memory = boot_settings(None, words.memory, None).memory_bytes
    argv = [PROGRAM, *base_arguments(accelerator(Cache()), 1, memory), *_TERMINAL, *_disk(words, subject)]
    (scratch / "kernel").write_bytes(files.kernel)
    argv += ["-kernel", str(scratch / "kernel"), "-append", f"{files.command_line} {ADDED_ARGUMENT}"]
    if files.initrd is not None:
        (scratch / "initrd").write_bytes(files.initrd)
        argv += ["-initrd", option_value(scratch / "initrd")]
    driver = disk_driver(files.initrd)
    if driver is None:
        raise VerifyError(f"{words.image}: its initrd holds no driver for a disk of QEMU's, only for Xen's",
                          resolution="boot it with --xen")  # fmt: skip
    if driver.device == "virtio-scsi-pci":
        return [*argv, "-device", "virtio-scsi-pci", "-device", "scsi-hd,drive=image"]
    return [*argv, "-device", f"{driver.device},drive=image"]


def _xen_machine(words: BootWords, subject: Subject, host: TestHost, scratch: Path) -> list[str]:
    from imagebuild.host.acceleration import PROGRAM, accelerator
    from imagebuild.verify import xen
    from imagebuild.verify.loaders import choose_loader
    from imagebuild.verify.machine import untouched_disk

    known = subject.menu_at is not None and subject.menu_at.is_first
    loader = choose_loader(host, subject.layout, menu_path=subject.menu_path if known else None,
                           asked=words.pv_grub, cache=Cache())  # fmt: skip
    memory = boot_settings(None, words.memory, None).memory_bytes
    task = xen.XenBoot(image=subject.raw, loader=loader, memory_bytes=memory, timeout_seconds=0, expect="",
                       menu_text=subject.menu_text, menu_waits=False)  # fmt: skip
    (scratch / "job.tar").write_bytes(xen.job_archive(task))
    argv = ["env", f"--chdir={host.folder}", PROGRAM, *_TERMINAL]
    argv += xen.machine_arguments(accelerator(Cache()), xen.machine_memory_bytes(memory))
    argv += [*_disk(words, subject), *untouched_disk("job", scratch / "job.tar")]
    for name in ("image", "job"):
        argv += ["-device", f"scsi-hd,bus=scsi.0,id={name},drive={name},product={name},vendor=imgbuild"]
    return argv


def _disk(words: BootWords, subject: Subject) -> list[str]:
    """The image as a disk that is not attached yet."""
    from imagebuild.verify.machine import option_value, untouched_disk

    if not words.keep:
        return untouched_disk("image", subject.raw)
    kind = _format(words.image)
    return ["-drive", f"if=none,id=image,file={option_value(words.image.absolute())},format={kind}"]


def _format(image: Path) -> str:
    with image.open("rb") as file:
        return "qcow2" if file.read(4) == b"QFI\xfb" else "raw"


def open_shell(image: Path, *, write: bool) -> int:
    """guestfish on this terminal, with what is in the image mounted."""
    from imagebuild.host.acceleration import accelerator

    check_file(image, "image")
    command.require("guestfish", "guestfish")
    settings = {"LIBGUESTFS_BACKEND": "direct"}
    if accelerator(Cache()) == "tcg":
        settings["LIBGUESTFS_BACKEND_SETTINGS"] = "force_tcg"
    argv = ["guestfish", "--rw" if write else "--ro", f"--format={_format(image)}", "-a", str(image.absolute()), "-i"]
    code = command.foreground(argv, environment=settings)
    if code != OK:
        raise BuildError(f"guestfish ended with {code}", resolution="see what it said above")
    return OK
