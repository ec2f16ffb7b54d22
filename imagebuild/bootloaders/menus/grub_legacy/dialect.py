"""GRUB 0.97's two builds that matter: PV-GRUB, and the shell of Debian's grub-legacy, which tests hold it against.

Sources: stage2/builtins.c (each builtin's flags), Xen's stubdom/grub.patches (10graphics, 20print_func, 99minios: what
is left out on mini-os), stubdom/grub/Makefile (SUPPORT_NETBOOT, SUPPORT_GRAPHICS, SUPPORT_SERIAL; no SUPPORT_CONSOLE,
no USE_MD5_PASSWORDS), stubdom/grub/mini-os.c (boot_drive is the network until a `root` line); for the shell its own
`help --all`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Flag, auto

from imagebuild.bootloaders.menus.grub_legacy.device import INSANE, Device


class Place(Flag):
    """Where a builtin may stand: BUILTIN_MENU, BUILTIN_CMDLINE and BUILTIN_TITLE of stage2/shared.h."""

    HEAD = auto()
    ENTRY = auto()
    TITLE = auto()


_BOTH = Place.HEAD | Place.ENTRY
_COMMON: Mapping[str, Place] = {
    **dict.fromkeys(("default", "fallback", "hiddenmenu", "timeout"), Place.HEAD),
    **dict.fromkeys(
        ("blocklist", "boot", "cat", "chainloader", "clear", "cmp", "configfile", "debug", "find", "fstest", "geometry",
         "halt", "help", "initrd", "kernel", "lock", "makeactive", "map", "module", "modulenounzip", "pause", "read",
         "reboot", "root", "rootnoverify", "savedefault"),
        Place.ENTRY,
    ),
    **dict.fromkeys(
        ("color", "hide", "pager", "partnew", "parttype", "password", "print", "terminal", "terminfo", "unhide"), _BOTH
    ),
    "title": Place.TITLE,
}  # fmt: skip
_PV_ONLY = dict.fromkeys(
    ("background", "bootp", "border", "dhcp", "foreground", "ifconfig", "rarp", "shade", "splashimage", "tftpserver",
     "viewport"),
    _BOTH,
)  # fmt: skip
_SHELL_ONLY = {
    **dict.fromkeys(
        ("displayapm", "displaymem", "dump", "embed", "impsprobe", "install", "ioprobe", "md5crypt", "quit", "setup",
         "testload", "testvbe", "vbeprobe"),
        Place.ENTRY,
    ),
    **dict.fromkeys(("device", "serial", "setkey"), _BOTH),
    "uppermem": Place.ENTRY,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Dialect:
    """`first_root`: the root device before the first `root` line (boot_drive, install_partition).

    `whole_disks`: a filesystem on a bare hard disk is mounted (Xen's 50fs_fulldisk). `any_kernel`: `kernel` takes any
    file, and only `boot` looks at it (mini-os.c, load_image). `keyboard`: somebody presses a key at each prompt, which
    also ends a countdown and with it the fallbacks (run_menu), as the shell does on a pipe.
    """

    commands: Mapping[str, Place]
    first_root: Device
    whole_disks: bool
    any_kernel: bool
    keyboard: bool


PV_GRUB = Dialect({**_COMMON, **_PV_ONLY}, Device(None), whole_disks=True, any_kernel=True, keyboard=False)
SHELL = Dialect({**_COMMON, **_SHELL_ONLY}, Device(0, 2, INSANE), whole_disks=False, any_kernel=False, keyboard=True)
