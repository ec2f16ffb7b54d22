"""GRUB 0.97's menu language, read and written: /boot/grub/menu.lst as PV-GRUB reads it.

Source: GRUB 0.97, stage2/stage2.c (run_menu, cmain) and stage2/cmdline.c (skip_to): a command's word ends at a space,
a tab or a `=`; a line that begins with `#` is a comment; everything before the first `title` belongs to the menu.
Lines that are not understood here are kept, in their place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

_WORD = re.compile(r"[^\s=]+")
_SEPARATOR = re.compile(r"[\s=]+")
_NUMBER = re.compile(r"\s*(\d+)")
_DEVICE = re.compile(r"\((?P<device>[a-z]+\d+)(?:,(?P<partition>\d+))?\)")
_ENTRY_WORDS = ("title", "root", "rootnoverify", "kernel", "initrd", "module")


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
    """A whole menu. `timeout` None: GRUB 0.97 waits for ever. `default` None: entry 0.

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
    """The menu in `text`; total: what is not understood is kept in `others`, nothing raises."""
    head: list[str] = []
    bodies: list[tuple[str, list[str]]] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        word, rest = split_command(line)
        if word == "title":
            bodies.append((rest, []))
        elif line.strip():
            (bodies[-1][1] if bodies else head).append(line.strip())
    return _menu(head, tuple(_entry(title, lines) for title, lines in bodies))


def split_command(line: str) -> tuple[str, str]:
    """A line's command word and what follows it; a comment or an empty line gives two empty strings.

    The case counts: 0.97's shell answers `ROOT` with "Error 27: Unrecognized command" (tried).
    """
    stripped = line.strip()
    if not stripped or stripped.startswith("#"):
        return "", ""
    match = _WORD.match(stripped)
    if match is None:
        return "", ""
    rest = stripped[match.end() :]
    separator = _SEPARATOR.match(rest)
    return match[0], rest[separator.end() :] if separator else rest


def _menu(head: list[str], entries: tuple[MenuEntry, ...]) -> Menu:
    default: int | Literal["saved"] | None = None
    timeout: int | None = None
    fallback: tuple[int, ...] = ()
    others: list[str] = []
    for line in head:
        word, rest = split_command(line)
        number = _NUMBER.match(rest)
        if word == "default" and rest.split()[:1] == ["saved"]:
            default = "saved"
        elif word == "default" and number:
            default = int(number[1])
        elif word == "timeout" and number:
            timeout = int(number[1])
        elif word == "fallback" and number:
            fallback = tuple(int(item) for item in rest.split() if item.isdigit())
        else:
            others.append(line)
    return Menu(default, timeout, fallback, entries, tuple(others))


def _entry(title: str, lines: list[str]) -> MenuEntry:
    root = kernel = initrd = None
    arguments = ""
    modules: list[str] = []
    others: list[str] = []
    for line in lines:
        word, rest = split_command(line)
        if word == "root" and root is None:
            root = rest.strip()
        elif word == "kernel" and kernel is None:
            kernel, _, arguments = _without_options(rest).partition(" ")
        elif word == "initrd" and initrd is None:
            initrd = rest.strip()
        elif word in ("module", "modulenounzip"):
            modules.append(rest.strip())
        else:
            others.append(line)
    return MenuEntry(
        title.strip(), root, kernel or None, arguments.strip(), initrd or None, tuple(modules), tuple(others)
    )


def _without_options(rest: str) -> str:
    """The kernel command's own options (--type=…, --no-mem-option) come before the path."""
    words = rest.split()
    while words and words[0].startswith("--"):
        words.pop(0)
    return " ".join(words)


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
