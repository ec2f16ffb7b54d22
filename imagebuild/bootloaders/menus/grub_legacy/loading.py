"""The builtins that set the root device, load and start: root, kernel, initrd, module, boot, chainloader.

Source: stage2/builtins.c with Xen's patches; stubdom/grub/mini-os.c (load_image, load_initrd, load_module, pv_boot).
"""

from __future__ import annotations

from dataclasses import replace

from imagebuild.bootloaders.menus.grub_legacy.devices import Opened, parse_device
from imagebuild.bootloaders.menus.grub_legacy.errors import BuiltinError, CannotJudgeError
from imagebuild.bootloaders.menus.grub_legacy.lines import first_word, skip_to
from imagebuild.bootloaders.menus.grub_legacy.machine import Boots, Done, Machine

LONGEST_PV_COMMAND_LINE_BYTES = 1023  # MAX_GUEST_CMDLINE of Xen's libxc, less the zero byte
_LONGEST_MULTIBOOT_BYTES = 0x6000  # MB_CMDLINE_BUFLEN
_LONGEST_MODULE_BYTES = 4096
_TYPES = ("netbsd", "freebsd", "openbsd", "linux", "biglinux", "multiboot")


def root(machine: Machine, argument: str) -> Done:
    if not argument:
        return "prints the root device"
    device, _ = parse_device(argument, machine.saved)
    machine.disks.open_partition(device)
    # A filesystem that it cannot mount is no error yet: `kernel` will say Error 17.
    mounted = machine.disks.mounts(device)
    machine.saved = device
    return f"{device} is the root device" if mounted else f"{device} is the root device; no filesystem is read there"


def rootnoverify(machine: Machine, argument: str) -> Done:
    if not argument:
        return "prints the root device"
    # Whether it is there is not asked: the error of open_partition is forgotten.
    machine.saved, _ = parse_device(argument, machine.saved)
    return f"{machine.saved} is the root device (not looked at)"


def kernel(machine: Machine, argument: str) -> Done:
    suggested = None
    while True:
        if argument.startswith("--type="):
            suggested = next((name for name in _TYPES if argument[7:].startswith(name)), None)
            if suggested is None:
                raise BuiltinError(30)
        elif not argument.startswith("--no-mem-option"):
            break
        argument = skip_to(argument, after_equal=False)
    if size_of(argument) + 1 > _LONGEST_MULTIBOOT_BYTES:
        raise BuiltinError(28)
    machine.kind, machine.kernel = None, None
    opened, asked = machine.open(argument)
    command_line = skip_to(argument, after_equal=False)
    machine.kind = "pv" if machine.disks.dialect.any_kernel else _linux(machine, opened, suggested)
    machine.kernel = opened
    machine.loaded = replace(machine.loaded, kernel=asked, command_line=_cut(command_line))
    lost = size_of(command_line) - LONGEST_PV_COMMAND_LINE_BYTES
    return "loads the kernel" + (f"; the last {lost} bytes of its command line are lost" if lost > 0 else "")


def size_of(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))


def _cut(text: str) -> str:
    kept = text.encode("utf-8", "surrogateescape")[:LONGEST_PV_COMMAND_LINE_BYTES]
    return kept.decode("utf-8", "surrogateescape")


def _linux(machine: Machine, opened: Opened, suggested: str | None) -> str:
    """The shell looks at the kernel at once (boot.c, load_image)."""
    number = _boots(machine, opened)
    if number:
        raise BuiltinError(number)
    if suggested not in (None, "biglinux"):
        raise BuiltinError(13)
    return "linux"


def _boots(machine: Machine, opened: Opened) -> int:
    number = machine.disks.files.boots(opened.device.disk, opened.device.number, opened.path)
    if number is None:
        raise CannotJudgeError(f"whether {opened.device}{opened.path} is a kernel that it starts")
    return number


def initrd(machine: Machine, argument: str) -> Done:
    if machine.kind not in ("pv", "linux"):
        raise BuiltinError(19)
    _, asked = machine.open(argument)
    machine.loaded = replace(machine.loaded, initrd=asked, modules=())
    return "loads the initrd"


def module(machine: Machine, argument: str) -> Done:
    if machine.kind == "linux":
        return initrd(machine, argument)
    if machine.kind != "pv":
        raise BuiltinError(20)
    _, asked = machine.open(argument)
    if size_of(argument) >= _LONGEST_MODULE_BYTES:
        raise BuiltinError(28)
    # An initrd that was loaded before is dropped (mini-os.c, load_module).
    machine.loaded = replace(machine.loaded, initrd=None, modules=(*machine.loaded.modules, asked))
    return "loads the module"


def boot(machine: Machine, argument: str) -> Done:
    if machine.kind is None or machine.kernel is None:
        raise BuiltinError(8)
    if machine.kind == "pv" and (number := _boots(machine, machine.kernel)):
        raise BuiltinError(number)
    return Boots(f"starts {machine.loaded.kernel}")


def chainloader(machine: Machine, argument: str) -> Done:
    word = first_word(argument)
    if (word and "--force".startswith(word)) or argument.startswith("--force"):
        raise CannotJudgeError("a boot sector is loaded")
    machine.kind, machine.kernel = None, None
    opened, _ = machine.open(argument)
    sector = machine.disks.read(opened, 512)
    if len(sector) < 512 or sector[510:512] != b"\x55\xaa":
        raise BuiltinError(13)
    machine.kind = "chainloader"
    return "loads a boot sector, which a PV guest cannot start"
