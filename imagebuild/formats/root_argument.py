"""What a kernel command line, and the initrd that is started with it, say of the root filesystem.

Sources: Linux' lib/cmdline.c (quotes) and init/do_mounts.c; genkernel's linuxrc (`real_root`, which counts before a
`root=` that names a RAM disk); dracut.cmdline(7) (rd.lvm.lv, rd.lvm.vg, rd.lvm, and their older names; etc/cmdline.d
in the initrd); initramfs-tools(7) (ROOT in conf/); Red Hat's nash (`mkrootdev`); SUSE's mkinitrd (config/*.sh).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from imagebuild.formats.device_name import DeviceName, read_device_name

_WORD = re.compile(r'(?:[^\s"]|"[^"]*(?:"|$))+')
_OFF = ("0", "no", "off")
# Files of an initrd in which a root device is written down, and how.
_PLACES: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...] = (
    (re.compile(r"etc/cmdline(\.d/[^/]+\.conf)?"), re.compile(r"(?:^|\s)root=(\S+)")),
    (re.compile(r"(?:usr/lib/)?conf/(?:param\.conf|initramfs\.conf|conf\.d/[^/]+)"),
     re.compile(r"^\s*(?:export\s+)?ROOT=[\"']?([^\s\"']+)", re.M)),
    (re.compile(r"config/[^/]+\.sh"), re.compile(r"^\s*rootdev=[\"']?([^\s\"']+)", re.M)),
    (re.compile(r"init|linuxrc"), re.compile(r"^\s*mkrootdev\s[^\n]*?(\S+)[ \t]*$", re.M)),
    (re.compile(r"init|linuxrc"),
     re.compile(r"^\s*(?:/bin/|/sbin/|busybox )?mount\s(?:[^\n#]*?\s)?"
                r"((?:UUID|LABEL)=[^\s\"'$]+|/dev/(?!pts|shm)[^\s\"'$]+)\s", re.M)),
)  # fmt: skip
NOTED = re.compile("|".join(f"(?:{files.pattern})" for files, _ in _PLACES) + r"|etc/initrd\.defaults")


@dataclass(frozen=True, slots=True)
class RootArgument:
    """`word` is the argument that counts: `root` or `real_root`; `device` None: there is none.

    `volumes` and `groups`: those that dracut is told to activate (`GROUP/VOLUME`, `GROUP`); with any of them it
    activates no others. `has_lvm`: False where it is told to leave LVM alone. `init`: the program to start in the
    root, empty for the kernel's own list.
    """

    word: Literal["root", "real_root"]
    device: DeviceName | None
    volumes: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    has_lvm: bool = True
    init: str = ""


@dataclass(frozen=True, slots=True)
class InitrdsRoot:
    """What the initrd knows by itself: `device`, written down in its file `place`. `may_know`: its /init is a program
    of its own, in which nobody can look."""

    device: DeviceName | None
    place: str = ""
    may_know: bool = False


def read_command_line(arguments: str) -> tuple[tuple[str, str | None], ...]:
    """The words of a command line as name and value, in order; None where a word has no `=`. Quotes are taken off."""
    found = []
    for match in _WORD.finditer(arguments):
        name, equals, value = match[0].replace('"', "").partition("=")
        found.append((name, value if equals else None))
    return tuple(found)


def root_argument(arguments: str, *, genkernel: bool = False) -> RootArgument:
    """What the command line asks for. `genkernel`: the initrd is that one's, and takes `real_root` first."""
    words = read_command_line(arguments)

    def values(*names: str) -> tuple[str, ...]:
        return tuple(value for name, value in words if name in names and value)

    root, real_root = values("root")[-1:], values("real_root")[-1:]
    device = read_device_name(root[0]) if root else None
    word: Literal["root", "real_root"] = "root"
    if real_root and (genkernel or device is None or device.kind == "ram"):
        word, device = "real_root", read_device_name(real_root[0])
    lvm_off = any(name in ("rd_NO_LVM", "rd.lvm", "rd_LVM") and (value in _OFF or name == "rd_NO_LVM")
                  for name, value in words)  # fmt: skip
    init = values("real_init")[-1:] if word == "real_root" else ()
    return RootArgument(
        word, device, values("rd.lvm.lv", "rd_LVM_LV"), values("rd.lvm.vg", "rd_LVM_VG"), not lvm_off,
        (init or values("init")[-1:] or ("",))[0],
    )  # fmt: skip


def root_of_initrd(files: Mapping[str, bytes]) -> InitrdsRoot:
    """What an initrd's own files say of the root; `files`: those that NOTED matches, by name."""
    for place, words in _PLACES:
        for name in sorted(files):
            if place.fullmatch(name) and (found := words.search(files[name].decode("utf-8", "replace"))):
                return InitrdsRoot(read_device_name(found[1]), name)
    init = files.get("init", files.get("linuxrc", b""))
    return InitrdsRoot(None, "init", may_know=init[:4] == b"\x7fELF")
