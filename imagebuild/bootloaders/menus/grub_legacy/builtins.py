"""What GRUB 0.97's builtins do in an entry, one function each: they return words of what was done.

Source: stage2/builtins.c and stage2/disk_io.c with Xen's patches; stubdom/grub/mini-os.c (load_image, load_initrd,
load_module, pv_boot). Only errnum ends an entry: what a builtin returns does not (run_script).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from imagebuild.bootloaders.menus.grub_legacy.colors import check_colors
from imagebuild.bootloaders.menus.grub_legacy.device import WHOLE, Device
from imagebuild.bootloaders.menus.grub_legacy.devices import Disks, Opened, file_name, parse_device
from imagebuild.bootloaders.menus.grub_legacy.errors import BuiltinError, CannotJudgeError
from imagebuild.bootloaders.menus.grub_legacy.head import Config
from imagebuild.bootloaders.menus.grub_legacy.lines import BadNumber, first_word, parse_number, skip_to
from imagebuild.bootloaders.menus.trace import End, FileName, Loaded

LONGEST_PV_COMMAND_LINE_BYTES = 1023  # MAX_GUEST_CMDLINE of Xen's libxc, less the zero byte
_LONGEST_MULTIBOOT_BYTES = 0x6000  # MB_CMDLINE_BUFLEN
_LONGEST_MODULE_BYTES = 4096
_LONGEST_SPLASH_BYTES = 256
_PRETENDED_MEMORY_BYTES = 2**20  # what cmp and blocklist may read into
_TYPES = ("netbsd", "freebsd", "openbsd", "linux", "biglinux", "multiboot")
_EXTENDED = frozenset((0x05, 0x0F, 0x85))
_HIDDEN_FLAG = 0x10


@dataclass(frozen=True, slots=True)
class Boots:
    words: str


@dataclass(frozen=True, slots=True)
class Halts:
    words: str
    end: End


@dataclass(frozen=True, slots=True)
class Waits:
    """For any key, or (`asks`) for an answer that nobody gives."""

    words: str
    asks: bool = False


@dataclass(frozen=True, slots=True)
class LoadsMenu:
    """`configfile`: another menu is read, from `name`, relative to the root device `saved`."""

    words: str
    name: str
    opened: Opened
    saved: Device


Done = str | Boots | Halts | Waits | LoadsMenu


@dataclass(slots=True)
class Machine:
    """What an entry's lines change: the root device, and what is loaded. `kind` is kernel_type."""

    disks: Disks
    config: Config
    entry: int
    menu_name: str
    saved: Device
    kind: str | None = None  # pv, linux, multiboot, chainloader
    kernel: Opened | None = None
    loaded: Loaded = field(default_factory=Loaded)
    named: FileName | None = None

    @property
    def has_kernel(self) -> bool:
        return self.kind is not None

    def open(self, name: str) -> tuple[Opened, FileName]:
        asked = self.named = file_name(name, self.saved)
        opened = self.disks.open(name, self.saved)
        assert asked is not None
        return opened, asked


def _root(machine: Machine, argument: str) -> Done:
    if not argument:
        return "prints the root device"
    device, _ = parse_device(argument, machine.saved)
    machine.disks.open_partition(device)
    # A filesystem that it cannot mount is no error yet: `kernel` will say Error 17.
    mounted = machine.disks.mounts(device)
    machine.saved = device
    return f"{device} is the root device" if mounted else f"{device} is the root device; no filesystem is read there"


def _rootnoverify(machine: Machine, argument: str) -> Done:
    if not argument:
        return "prints the root device"
    # Whether it is there is not asked: the error of open_partition is forgotten.
    machine.saved, _ = parse_device(argument, machine.saved)
    return f"{machine.saved} is the root device (not looked at)"


def _kernel(machine: Machine, argument: str) -> Done:
    suggested = None
    while True:
        if argument.startswith("--type="):
            suggested = next((name for name in _TYPES if argument[7:].startswith(name)), None)
            if suggested is None:
                raise BuiltinError(30)
        elif not argument.startswith("--no-mem-option"):
            break
        argument = skip_to(argument, after_equal=False)
    if _size(argument) + 1 > _LONGEST_MULTIBOOT_BYTES:
        raise BuiltinError(28)
    machine.kind, machine.kernel = None, None
    opened, asked = machine.open(argument)
    command_line = skip_to(argument, after_equal=False)
    machine.kind = "pv" if machine.disks.dialect.any_kernel else _linux(machine, opened, suggested)
    machine.kernel = opened
    machine.loaded = replace(machine.loaded, kernel=asked, command_line=_cut(command_line))
    lost = _size(command_line) - LONGEST_PV_COMMAND_LINE_BYTES
    return "loads the kernel" + (f"; the last {lost} bytes of its command line are lost" if lost > 0 else "")


def _size(text: str) -> int:
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


def _initrd(machine: Machine, argument: str) -> Done:
    if machine.kind not in ("pv", "linux"):
        raise BuiltinError(19)
    _, asked = machine.open(argument)
    machine.loaded = replace(machine.loaded, initrd=asked, modules=())
    return "loads the initrd"


def _module(machine: Machine, argument: str) -> Done:
    if machine.kind == "linux":
        return _initrd(machine, argument)
    if machine.kind != "pv":
        raise BuiltinError(20)
    _, asked = machine.open(argument)
    if _size(argument) >= _LONGEST_MODULE_BYTES:
        raise BuiltinError(28)
    # An initrd that was loaded before is dropped (mini-os.c, load_module).
    machine.loaded = replace(machine.loaded, initrd=None, modules=(*machine.loaded.modules, asked))
    return "loads the module"


def _boot(machine: Machine, argument: str) -> Done:
    if machine.kind is None or machine.kernel is None:
        raise BuiltinError(8)
    if machine.kind == "pv" and (number := _boots(machine, machine.kernel)):
        raise BuiltinError(number)
    return Boots(f"starts {machine.loaded.kernel}")


def _chainloader(machine: Machine, argument: str) -> Done:
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
    return "prints where the file lies"


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
    if bool(kind & _HIDDEN_FLAG) != hide:
        raise CannotJudgeError("it changes the partition table")
    return "changes nothing"


def _partition_type(machine: Machine, argument: str) -> int:
    device, _ = parse_device(argument, machine.saved)
    if not device.is_hard_disk or device.partition == WHOLE:
        raise BuiltinError(30)
    machine.disks.open_partition(device)
    return (machine.disks.files.partitions(device.disk) or {})[device.partition]


def _parttype(machine: Machine, argument: str) -> Done:
    parse_device(argument, machine.saved)
    raise CannotJudgeError("it changes the partition table")


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
    if _size(argument) > _LONGEST_SPLASH_BYTES:
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
        ("bootp", "dhcp", "ifconfig", "partnew", "rarp", "read", "terminfo", "tftpserver", "device",
         "displayapm", "displaymem", "dump", "embed", "impsprobe", "install", "ioprobe", "md5crypt", "serial", "setkey",
         "setup", "testload", "testvbe", "uppermem", "vbeprobe"),
        _unknown,
    ),
    "blocklist": _blocklist, "boot": _boot, "cat": _cat, "chainloader": _chainloader, "cmp": _cmp, "color": _color,
    "configfile": _configfile, "find": _find, "geometry": _geometry, "halt": _halt, "hide": _hide, "initrd": _initrd,
    "kernel": _kernel, "lock": _lock, "makeactive": _makeactive, "map": _map, "module": _module,
    "modulenounzip": _module, "pager": _pager, "parttype": _parttype, "password": _password, "pause": _pause,
    "quit": _halt, "reboot": _reboot, "root": _root, "rootnoverify": _rootnoverify, "savedefault": _savedefault,
    "shade": _number, "splashimage": _splashimage, "terminal": _terminal, "unhide": _unhide, "viewport": _viewport,
}  # fmt: skip
