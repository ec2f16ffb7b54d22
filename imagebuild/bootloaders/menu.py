"""GRUB 0.97's menu language, read and written: /boot/grub/menu.lst as PV-GRUB reads it.

Source: GRUB 0.97, stage2/stage2.c (run_menu, cmain) and stage2/cmdline.c (skip_to): a command's word ends at a space,
a tab or a `=`; a line that begins with `#` is a comment; everything before the first `title` belongs to the menu.
Lines that are not understood here are kept, in their place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from imagebuild.bootloaders.menus.grub_legacy.dialect import PV_GRUB
from imagebuild.bootloaders.menus.grub_legacy.head import Config, read_lines
from imagebuild.bootloaders.menus.grub_legacy.lines import command_word, config_lines, first_word, skip_to
from imagebuild.bootloaders.menus.trace import Line

_DEVICE = re.compile(r"\((?P<device>[a-z]+[0-9]+)(?:,(?P<partition>[0-9]{1,9}))?\)")


@dataclass(frozen=True, slots=True)
class MenuEntry:
    """One `title` with its commands. `kernel` is the path as written, `arguments` the rest of its line.

    `others`: the entry's lines that have no field of their own (savedefault, lock, quiet …), as written.
    """

    title: str
    root: str | None
    kernel: str | None
    arguments: str
    initrd: str | None
    modules: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Menu:
    """A whole menu. `timeout` None: GRUB 0.97 waits forever. `default` None: entry 0.

    `others`: the lines before the first title that have no field of their own (hiddenmenu, password, color, comments).
    """

    default: int | Literal["saved"] | None
    timeout: int | None
    fallback: tuple[int, ...]
    entries: tuple[MenuEntry, ...]
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LoaderPath:
    """A file as the loader names it: the device it asks for (`hd0`, partition None or a number), and the path."""

    device: str | None
    partition: int | None
    path: str


def parse_menu(text: str) -> Menu:
    """The menu in `text`, its lines as 0.97 reads them; total: nothing raises.

    An entry's fields are what its lines leave behind when each does what it says: the root device at the kernel's line,
    the last kernel and initrd, up to a `boot`. Whether they do is the interpreter's word (menus/).
    """
    lines = list(config_lines(text.encode("utf-8", "surrogateescape")))
    config = read_lines(lines, PV_GRUB, Config())
    head: list[str] = []
    bodies: list[tuple[str, list[str]]] = []
    for line in lines:
        word = command_word(line.text)
        if word == "title":
            bodies.append((skip_to(line.text, after_equal=True), []))
        elif bodies:
            bodies[-1][1].append(line.text.strip())
        elif word not in ("default", "timeout", "fallback"):
            head.append(line.text.strip())
    return Menu(
        default="saved" if config.is_saved else config.default if _has(lines, "default") else None,
        timeout=config.timeout if config.timeout >= 0 else None,
        fallback=config.remaining_fallbacks(),
        entries=tuple(_entry(title, body) for title, body in bodies),
        others=tuple(head),
    )


def _has(lines: list[Line], word: str) -> bool:
    """Whether a line above the first title begins with the word."""
    for line in lines:
        if command_word(line.text) in (word, "title"):
            return command_word(line.text) == word
    return False


def split_command(line: str) -> tuple[str, str]:
    """A line's command word and what follows it; a comment or an empty line gives two empty strings.

    The case counts: 0.97's shell answers `ROOT` with "Error 27: Unrecognized command" (tried).
    """
    stripped = line.strip(" \t\r\n")
    if not stripped or stripped.startswith("#"):
        return "", ""
    return command_word(stripped), skip_to(stripped, after_equal=True)


def _entry(title: str, lines: list[str]) -> MenuEntry:
    root = kernel = initrd = kernels_root = None
    arguments = ""
    modules: list[str] = []
    others: list[str] = []
    for number, line in enumerate(lines):
        word, rest = split_command(line)
        if word in ("root", "rootnoverify") and rest:
            root = rest.strip()
        elif word == "kernel":
            path = _without_options(rest)
            kernel, arguments, kernels_root = first_word(path), skip_to(path, after_equal=False), root
        elif word == "initrd":
            initrd = _on_device(first_word(rest), root, kernels_root)
        elif word in ("module", "modulenounzip"):
            modules.append(rest.strip())
        elif word == "boot" and kernel is not None:
            others += lines[number:]
            break
        else:
            others.append(line)
    return MenuEntry(
        title.strip(),
        kernels_root if kernel else root,
        kernel or None,
        arguments.strip(),
        initrd or None,
        tuple(modules),
        tuple(others),
    )


def _on_device(path: str, root: str | None, kernels_root: str | None) -> str:
    """An initrd that lies on another device than the kernel gets its device's name."""
    if root == kernels_root or root is None or path.startswith("("):
        return path
    return first_word(root) + path


def _without_options(rest: str) -> str:
    """The kernel command's own options (--type=…, --no-mem-option) come before the path."""
    while rest.startswith("--"):
        rest = skip_to(rest, after_equal=False)
    return rest


def write_menu(menu: Menu) -> str:
    """The text of a menu; `parse_menu` of it gives the same menu."""
    lines = []
    if menu.default is not None:
        lines.append(f"default {menu.default}")
    if menu.timeout is not None:
        lines.append(f"timeout {menu.timeout}")
    if menu.fallback:
        lines.append("fallback " + " ".join(map(str, menu.fallback)))
    lines += menu.others
    for entry in menu.entries:
        lines += ["", f"title {entry.title}"]
        if entry.root is not None:
            lines.append(f"root {entry.root}")
        if entry.kernel is not None:
            lines.append(f"kernel {entry.kernel} {entry.arguments}".rstrip())
        if entry.initrd is not None:
            lines.append(f"initrd {entry.initrd}")
        lines += [f"module {module}" for module in entry.modules]
        lines += entry.others
    return "\n".join(lines) + "\n"


def loader_path(text: str, root: str | None) -> LoaderPath:
    """What a kernel or initrd path means: `(hd0,0)/vmlinuz`, or `/vmlinuz` on the device of the entry's `root`."""
    match = _DEVICE.match(text)
    path = text[match.end() :] if match else text
    if match is None and root:
        match = _DEVICE.match(root.strip())
    if match is None:
        return LoaderPath(None, None, path)
    partition = match["partition"]
    return LoaderPath(match["device"], int(partition) if partition is not None else None, path)
