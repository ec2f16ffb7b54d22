"""What a boot says on its console, as data: the milestones of each machine, and the texts that end a boot.

Sources: seen on recorded consoles (tests/unit/verify/consoles); initramfs-tools' scripts (panic, ALERT!); dracut's and
systemd's emergency shells; GRUB 0.97's stage2/common.c (err_list); GRUB 2's grub-core/normal/menu.c; Xen's xl.
"""

from __future__ import annotations

import re
from dataclasses import replace

from imagebuild.filesystems.table import FILESYSTEMS
from imagebuild.report import BootEnd
from imagebuild.verify.console import Fatal, Sign
from imagebuild.vocabulary import GENUINE

# Milestones, in order. "guest": xl was told to create the guest. A boot may skip one (a kernel told to be quiet).
XEN, DOM0, GUEST, LOADER, KERNEL, ROOT, INIT, LOGIN = (
    "xen",
    "dom0",
    "guest",
    "loader",
    "kernel",
    "root",
    "init",
    "login",
)

# Of a PC: its firmware's first words, boot code, a menu.
FIRMWARE, CODE, MENU = "firmware", "boot code", "menu"

_BEFORE_GUEST = frozenset({"", XEN, DOM0})
_BEFORE_LOADER = _BEFORE_GUEST | {GUEST}
_IN_KERNEL = frozenset({KERNEL, ROOT, INIT})
# A kernel told to be quiet gives up without having said a word before: right after the loader, or as the first.
_IN_GUEST = _IN_KERNEL | {"", LOADER, CODE, MENU}


def _sign(milestone: str, pattern: str, after: str = "") -> Sign:
    return Sign(milestone, re.compile(pattern), after)


def _guest_signs(start: str) -> tuple[Sign, ...]:
    """From the kernel's first words on. `start`: the milestone before the kernel."""
    by_type = dict.fromkeys(item.says_mounted for item in FILESYSTEMS.values() if item.says_mounted)
    mounted = "|".join([*by_type, "VFS: Mounted root", "Begin: Running /scripts/local-bottom"])
    init = r"systemd\[1\]: systemd \d+|INIT: version|Welcome to \S.*!$|OpenRC \d|init: .*runlevel"
    return (
        _sign(KERNEL, r"Linux version \d+\.\d+|Loading, please wait|Starting systemd-udevd version", start),
        _sign(ROOT, mounted, KERNEL),
        _sign(INIT, init, KERNEL),
    )


def qemu_signs(expect: str) -> tuple[Sign, ...]:
    """The milestones of a boot with QEMU's own loader, the last one being the expected text."""
    return (*_guest_signs(""), expected(expect, KERNEL))


def xen_signs(expect: str, menu_text: str, *, has_loader: bool = True) -> tuple[Sign, ...]:
    """The milestones of a boot under Xen.

    A kernel told to be quiet says nothing before the login prompt, so that counts right after the loader's first
    words, unless the menu itself holds the text. `has_loader` False: Xen starts the image's kernel itself.
    """
    loader = _sign(LOADER, r"Xen Minimal OS|imagebuild: stand-in loader|GNU GRUB +version", GUEST)
    start = LOADER if has_loader else GUEST
    return (
        _sign(XEN, r"\(XEN\) Xen version |\(XEN\) Bootloader:"),
        _sign(DOM0, r"^imagebuild: dom0 ready"),
        _sign(GUEST, r"^imagebuild: guest starts", DOM0),
        *((loader,) if has_loader else ()),
        *_guest_signs(start),
        expected(expect, KERNEL if expect in menu_text else start),
    )


def pc_signs(firmware: tuple[Sign, ...], expect: str, menu_text: str) -> tuple[Sign, ...]:
    """The milestones of a PC's boot. A kernel told to be quiet says nothing before the login prompt."""
    return (
        *firmware,
        _sign(CODE, r"Welcome to GRUB!|imagebuild: boot code on|GRUB loading", FIRMWARE),
        _sign(MENU, r"GNU GRUB +version|imagebuild: menu |Booting [`'\"]", CODE),
        *_guest_signs(CODE),
        expected(expect, KERNEL if expect in menu_text else CODE),
    )


def expected(text: str, after: str) -> Sign:
    """The sign of success: the text anywhere but where a kernel repeats its command line."""
    return Sign(LOGIN, re.compile(rf"^(?!.*ommand line).*{re.escape(text)}"), after)


def _fatal(name: str, pattern: str, phases: frozenset[str], *, prompt: bool = False) -> Fatal:
    return Fatal(name, re.compile(pattern), phases, prompt)


def _machine_fault(name: str, pattern: str, phases: frozenset[str], *, after_login: bool = False) -> Fatal:
    return Fatal(name, re.compile(pattern), phases, blames="machine", after_login=after_login)


GUEST_FATALS = (
    _fatal("the kernel gave up", r"Kernel panic - not syncing", _IN_GUEST),
    _fatal("the root filesystem was not found", r"ALERT! .*does not exist", _IN_GUEST),
    _fatal("the initial ramdisk's shell", r"^\(initramfs\) ?$", _IN_GUEST, prompt=True),
    _fatal("the initial ramdisk's shell", r"^(dracut|switch_root):/# ?$", _IN_GUEST, prompt=True),
    _fatal("the initial ramdisk's shell", r"Entering emergency mode\. Exit the shell", _IN_GUEST),
    _fatal("the emergency shell", r"Give root password for (maintenance|login)", _IN_GUEST, prompt=True),
    _fatal("the emergency shell", r"You are in (emergency|rescue) mode", _IN_GUEST),
    _fatal("the emergency shell", r"Cannot open access to console, the root account is locked", _IN_GUEST),
    _fatal("no init was found", r"No init found\. Try passing|Target filesystem doesn't have requested", _IN_GUEST),
)

_MACHINE_FAULTS = (
    _machine_fault("the Xen test host failed", r"^imagebuild: dom0 failed", _BEFORE_GUEST),
    _machine_fault("the Xen test host's kernel gave up", r"Kernel panic", _BEFORE_GUEST),
    _machine_fault(
        "xl could not create the guest",
        r"^imagebuild: guest ended|^imagebuild: dom0 failed",
        _BEFORE_LOADER,
        after_login=True,
    ),
    _machine_fault("the hypervisor crashed", r"\(XEN\) Panic on CPU", _BEFORE_LOADER | _IN_KERNEL | {LOADER}),
)
_GUEST_ENDED = Fatal(
    "the guest ended by itself",
    re.compile(r"^imagebuild: guest ended"),
    _IN_KERNEL | {LOADER},
    end=BootEnd.CLOSED,
    after_login=True,
)
_IN_LOADER = frozenset({LOADER, CODE, MENU})
_IN_FIRMWARE = frozenset({"", FIRMWARE})
_NO_KERNEL = _fatal(
    "the kernel is none that Xen can start", r"xc_dom_parse_image returned -1|not xen image", _IN_LOADER
)
_BOTH_LOADERS = (_fatal("the loader's own prompt", r"^ *grub(dom)?> ?", _IN_LOADER, prompt=True),)
_STAND_IN = (
    _fatal("the loader gave up", r"^imagebuild: loader gave up", _IN_LOADER),
    _fatal("the loader gave up", r"Failed to boot both default and fallback entries", _IN_LOADER),
)
# GRUB 0.97 waits for a key forever; GRUB 2 only for ten seconds.
_PV_GRUB = (_fatal("the loader gave up", r"Press any key to continue", _IN_LOADER, prompt=True),)
_MENU_WAITS = _fatal("menu.lst sets no timeout: the loader waits forever", r"Press enter to boot", _IN_LOADER)


# SeaBIOS 1.16, src/boot.c (boot_fail, boot_disk, call_boot_entry); boot.img: grub-core/boot/i386/pc/boot.S.
SEABIOS_SIGNS = (_sign(FIRMWARE, r"SeaBIOS \(version|Booting from Hard Disk"),)
SEABIOS_FATALS = (
    _fatal("no boot code in the first sector", r"Boot failed: not a bootable disk", _IN_FIRMWARE),
    _fatal("no bootable device", r"No bootable device", _IN_FIRMWARE),
    _fatal("boot.img could not read the core", r"(Geom|Hard Disk|Read) Error", _IN_FIRMWARE | {CODE}, prompt=True),
)
# edk2's BdsDxe: what it prints of each boot option, and where nothing is left; then it offers its menu or its shell.
OVMF_SIGNS = (_sign(FIRMWARE, r"BdsDxe: (loading|starting) Boot|^UEFI Interactive Shell"),)
OVMF_FATALS = (
    _fatal("no bootable device", r"BdsDxe: No bootable option or device was found", _IN_FIRMWARE),
    _fatal("no bootable device", r"^UEFI Interactive Shell|^Shell> ?$", _IN_FIRMWARE, prompt=True),
    _fatal("a boot loader that the firmware cannot start", r"BdsDxe: failed to start Boot", _IN_FIRMWARE | {CODE}),
)
_GRUB_RESCUE = (
    _fatal("GRUB's rescue prompt", r"^ *grub rescue> ?", _IN_LOADER, prompt=True),
    _fatal("boot code that gave up", r"^imagebuild: boot code gave up", _IN_LOADER),
)


def pc_fatals(firmware: tuple[Fatal, ...], *, menu_waits: bool) -> tuple[Fatal, ...]:
    """The fatal texts of a PC's boot, one firmware's among them."""
    waits = (_MENU_WAITS,) if menu_waits else ()
    return (*firmware, *_GRUB_RESCUE, *_BOTH_LOADERS, *_STAND_IN, *waits, *GUEST_FATALS)


def xen_fatals(
    loader: str, *, menu_waits: bool, has_loader: bool = True, falls_back: bool = False
) -> tuple[Fatal, ...]:
    """The fatal texts of a boot under Xen. `loader`: a starter's kind; `menu_waits`: it sets no timeout.

    `has_loader` False: Xen starts the image's kernel itself, so that there is nothing between xl and its words.
    `falls_back`: the loader is to find a kernel that nothing can start, and to go on to the next entry.
    """
    if not has_loader:
        at_once = [replace(fatal, phases=fatal.phases | {GUEST}) for fatal in GUEST_FATALS]
        return (*at_once, *_MACHINE_FAULTS, _GUEST_ENDED)
    own = _PV_GRUB if loader == GENUINE else _STAND_IN
    waits = (_MENU_WAITS,) if menu_waits else ()
    kernel = () if falls_back else (_NO_KERNEL,)
    return (*_MACHINE_FAULTS, _GUEST_ENDED, *kernel, *_BOTH_LOADERS, *own, *waits, *GUEST_FATALS)
