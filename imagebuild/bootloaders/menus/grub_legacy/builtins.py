"""What GRUB 0.97's other builtins do in an entry, one function each: they return words of what was done.

Source: stage2/builtins.c and stage2/disk_io.c with Xen's patches. Only errnum ends an entry: what a builtin returns
does not (run_script).
"""

from __future__ import annotations

from collections.abc import Callable

from imagebuild.bootloaders.menus.grub_legacy import loading
from imagebuild.bootloaders.menus.grub_legacy.colors import check_colors
from imagebuild.bootloaders.menus.grub_legacy.device import WHOLE, Device
from imagebuild.bootloaders.menus.grub_legacy.devices import parse_device
from imagebuild.bootloaders.menus.grub_legacy.errors import BuiltinError, CannotJudgeError
from imagebuild.bootloaders.menus.grub_legacy.head import Config
from imagebuild.bootloaders.menus.grub_legacy.lines import BadNumber, first_word, parse_number, skip_to
from imagebuild.bootloaders.menus.grub_legacy.machine import Done, Halts, LoadsMenu, Machine, Waits
from imagebuild.bootloaders.menus.trace import End

_LONGEST_SPLASH_BYTES = 256
_PRETENDED_MEMORY_BYTES = 2**20  # what cmp and blocklist may read into
_EXTENDED = frozenset((0x05, 0x0F, 0x85))
_HIDDEN_FLAG = 0x10
_MOST_TYPE = 0xFF


def _configfile(machine: Machine, argument: str) -> Done:
    opened, _ = machine.open(argument)
    return LoadsMenu("another menu is read", argument, opened, machine.saved)


def _find(machine: Machine, argument: str) -> Done:
    disks = machine.disks
    found: list[str] = []
    for disk in range(disks.files.disks()):
        for number in sorted(disks.files.partitions(disk) or ()):
            device = Device(0x80 + disk, number)
            try:
                if disks.mounts(device):
                    disks.open(argument, device)
                    found.append(str(device))
            except BuiltinError:
                continue
    if not found:
        raise BuiltinError(15)
    return f"finds it on {', '.join(found)}"


def _cat(machine: Machine, argument: str) -> Done:
    machine.open(argument)
    return "prints the file"


def _blocklist(machine: Machine, argument: str) -> Done:
    opened, _ = machine.open(argument)
    if opened.size_bytes > _PRETENDED_MEMORY_BYTES:
        raise CannotJudgeError("the file is larger than the memory it is read into")
    return "prints the file's location"


def _cmp(machine: Machine, argument: str) -> Done:
    second = skip_to(argument, after_equal=False)
    if not argument or not second:
        raise BuiltinError(30)
    sizes = [machine.open(first_word(name))[0].size_bytes for name in (argument, second)]
    if sum(sizes) > _PRETENDED_MEMORY_BYTES:
        raise CannotJudgeError("the files are larger than the memory they are read into")
    return "compares the files"


def _color(machine: Machine, argument: str) -> Done:
    check_colors(argument)
    return "sets colours"


def _lock(machine: Machine, argument: str) -> Done:
    if machine.config.password:
        raise BuiltinError(32)
    return "there is no password"


def _map(machine: Machine, argument: str) -> Done:
    parse_device(argument, machine.saved)
    parse_device(skip_to(argument, after_equal=False), machine.saved)
    return "maps drives for a boot sector's program"


def _makeactive(machine: Machine, argument: str) -> Done:
    device = machine.saved
    if not device.is_hard_disk or device.partition > 3:
        raise BuiltinError(12)
    if device.disk >= machine.disks.files.disks():
        raise BuiltinError(21)
    if (machine.disks.files.partitions(device.disk) or {}).get(device.partition) in _EXTENDED:
        raise BuiltinError(12)
    return "marks the partition active"


def _hide(machine: Machine, argument: str) -> Done:
    return _hidden_flag(machine, argument, hide=True)


def _unhide(machine: Machine, argument: str) -> Done:
    return _hidden_flag(machine, argument, hide=False)


def _hidden_flag(machine: Machine, argument: str, *, hide: bool) -> Done:
    """set_partition_hidden_flag: on a partition that is what it shall be, nothing changes."""
    kind = _partition_type(machine, argument)
    if kind is not None and bool(kind & _HIDDEN_FLAG) != hide:
        raise CannotJudgeError("it changes the partition table")
    return "changes nothing"


def _partition_type(machine: Machine, argument: str) -> int | None:
    """None for a partition that is not there: looked for among all, it is no error (next_partition; tried)."""
    device, _ = parse_device(argument, machine.saved)
    if not device.is_hard_disk or device.partition == WHOLE:
        raise BuiltinError(30)
    machine.disks.open_partition(Device(device.drive))
    table = machine.disks.files.partitions(device.disk)
    if table is None:
        raise BuiltinError(5)
    return table.get(device.partition)


def _parttype(machine: Machine, argument: str) -> Done:
    kind = _partition_type(machine, argument)
    found = parse_number(skip_to(argument, after_equal=False))
    if isinstance(found, BadNumber):
        raise BuiltinError(found.error)
    if found[0] > _MOST_TYPE:
        raise BuiltinError(30)
    if kind not in (None, found[0]):
        raise CannotJudgeError("it changes the partition table")
    return "changes nothing"


def _geometry(machine: Machine, argument: str) -> Done:
    device, _ = parse_device(argument, machine.saved)
    if not device.is_hard_disk or device.disk >= machine.disks.files.disks():
        raise BuiltinError(21)
    return "prints the geometry"


def _pager(machine: Machine, argument: str) -> Done:
    if argument and not argument.startswith(("on", "off")):
        raise BuiltinError(30)
    return "sets the pager"


def _password(machine: Machine, argument: str) -> Done:
    return Waits("asks for a password", asks=True)


def _pause(machine: Machine, argument: str) -> Done:
    return Waits("waits for a key")


def _savedefault(machine: Machine, argument: str) -> Done:
    """savedefault_helper of Xen's 30savedefault: writes the file `default` beside the menu, so it has to be there."""
    if not machine.disks.dialect.any_kernel:
        raise CannotJudgeError("the shell writes another file")
    if argument.startswith("fallback"):
        _next_fallback(machine.config, machine.entry)
    elif argument and isinstance(found := parse_number(argument), BadNumber):
        raise BuiltinError(found.error)
    opened = machine.disks.open(default_file(machine.menu_name), machine.disks.dialect.first_root)
    if not opened.size_bytes:
        raise CannotJudgeError(f"{opened.path} is empty")
    return f"writes {opened.path}"


def _next_fallback(config: Config, entry: int) -> None:
    valid = config.fallbacks[: config.fallbacks.index(-1)] if -1 in config.fallbacks else config.fallbacks
    at = valid.index(entry) + 1 if entry in valid else 0
    if at >= len(valid):
        raise BuiltinError(30)


def default_file(menu_name: str) -> str:
    """The file of `savedefault` and `default saved`: cmain, DEFAULT_FILE_BUF."""
    return menu_name[: menu_name.rfind("/") + 1] + "default"


def _splashimage(machine: Machine, argument: str) -> Done:
    if loading.size_of(argument) > _LONGEST_SPLASH_BYTES:
        return Waits("the name is too long: waits for a key")
    return "names a picture"


def _number(machine: Machine, argument: str) -> Done:
    if isinstance(found := parse_number(argument), BadNumber):
        raise BuiltinError(found.error)
    return "done"


def _viewport(machine: Machine, argument: str) -> Done:
    for _ in range(4):
        if not argument:
            return "done"
        found = parse_number(argument.lstrip(" \t"))
        if isinstance(found, BadNumber):
            raise BuiltinError(found.error)
        argument = skip_to(found[1], after_equal=False)
    return "done"


def _terminal(machine: Machine, argument: str) -> Done:
    """PV-GRUB has no console, and its serial and graphics want a setup that no command of it gives (TERM_NEED_INIT)."""
    if not machine.disks.dialect.any_kernel:
        raise CannotJudgeError("the shell's terminals are its own")
    while (option := _terminal_option(argument)) is not None:
        value = argument[len(option) :]
        if option.endswith("="):
            found = parse_number(value)
            if isinstance(found, BadNumber):
                raise BuiltinError(found.error)
            if option == "--lines=" and found[0] < 4:
                raise BuiltinError(30)
        argument = skip_to(argument, after_equal=False)
    if not argument:
        return "prints the terminal"
    raise BuiltinError(33 if first_word(argument) in ("serial", "graphics") else 30)


def _terminal_option(argument: str) -> str | None:
    options = ("--dumb", "--no-echo", "--no-edit", "--timeout=", "--lines=", "--silent")
    return next((option for option in options if argument.startswith(option)), None)


def _nothing(machine: Machine, argument: str) -> Done:
    return "changes nothing that matters"


def _unknown(machine: Machine, argument: str) -> Done:
    raise CannotJudgeError("what it does depends on the machine")


def _halt(machine: Machine, argument: str) -> Done:
    return Halts("switches the machine off", End.HALTS)


def _reboot(machine: Machine, argument: str) -> Done:
    return Halts("starts the machine again", End.REBOOTS)


BUILTINS: dict[str, Callable[[Machine, str], Done]] = {
    **dict.fromkeys(("background", "border", "clear", "debug", "foreground", "fstest", "help", "print"), _nothing),
    # What these do depends on the network, on memory, or on a machine that a PV guest has not.
    **dict.fromkeys(
        (
            "bootp",
            "dhcp",
            "ifconfig",
            "partnew",
            "rarp",
            "read",
            "terminfo",
            "tftpserver",
            "device",
            "displayapm",
            "displaymem",
            "dump",
            "embed",
            "impsprobe",
            "install",
            "ioprobe",
            "md5crypt",
            "serial",
            "setkey",
            "setup",
            "testload",
            "testvbe",
            "uppermem",
            "vbeprobe",
        ),
        _unknown,
    ),
    "blocklist": _blocklist,
    "boot": loading.boot,
    "cat": _cat,
    "chainloader": loading.chainloader,
    "cmp": _cmp,
    "color": _color,
    "configfile": _configfile,
    "find": _find,
    "geometry": _geometry,
    "halt": _halt,
    "hide": _hide,
    "initrd": loading.initrd,
    "kernel": loading.kernel,
    "lock": _lock,
    "makeactive": _makeactive,
    "map": _map,
    "module": loading.module,
    "modulenounzip": loading.module,
    "pager": _pager,
    "parttype": _parttype,
    "password": _password,
    "pause": _pause,
    "quit": _halt,
    "reboot": _reboot,
    "root": loading.root,
    "rootnoverify": loading.rootnoverify,
    "savedefault": _savedefault,
    "shade": _number,
    "splashimage": _splashimage,
    "terminal": _terminal,
    "unhide": _unhide,
    "viewport": _viewport,
}
