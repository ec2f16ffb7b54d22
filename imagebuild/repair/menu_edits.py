"""Changes a menu.lst line by line: what need not change stays as it was written."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass

from imagebuild.bootloaders.menu import parse_menu, split_command
from imagebuild.bootloaders.menu_choice import choice
from imagebuild.bootloaders.menus.facts import EverythingThere
from imagebuild.bootloaders.menus.grub_legacy import interpret
from imagebuild.bootloaders.menus.trace import End
from imagebuild.repair.menu_lines import mend_lines

_TIMEOUT_SECONDS = 3
_DEVICE = re.compile(r"\(hd\d+(?:,\d+)?\)")
# Names that shift between machines: the guest's disk is xvda, whatever it was where the image was made.
_SHIFTING = re.compile(r"(?<=root=)/dev/(?:sd|hd|vd|xvd)[a-z](?P<number>\d*)(?=\s|$)")
_XEN_CONSOLE = "console=hvc0"


@dataclass(frozen=True, slots=True)
class Edited:
    """`changes`: one sentence each; none: `text` is as it was."""

    text: str
    changes: tuple[str, ...]


def edit_menu(
    text: str, place: str, devices: Set[str], steady_names: Mapping[int, str], *, can_save: bool = True
) -> Edited:
    """A menu that starts by itself. `place`: the boot volume's name for GRUB 0.97; for the others see BootVolume.

    A menu that starts something is never changed into one that does not, by the interpreter's word.
    """
    for mend in (True, False):
        edited = _edited(text, place, devices, steady_names, can_save=can_save, mend=mend)
        if not (_starts(text, place) and not _starts(edited.text, place)):
            return edited
    return Edited(text, ())


def _starts(text: str, place: str) -> bool:
    """Whether 0.97 starts a kernel by itself, were every file there."""
    files = EverythingThere(partitioned="," in place)
    trace = interpret(text.encode("utf-8", "surrogateescape"), f"{place}/boot/grub/menu.lst", files)
    return trace.end is End.STARTS


def _edited(
    text: str, place: str, devices: Set[str], steady_names: Mapping[int, str], *, can_save: bool, mend: bool
) -> Edited:
    changes: list[str] = []
    lines = text.replace("\r\n", "\n").split("\n")
    if mend:
        lines = mend_lines(lines, changes)
        text = "\n".join(lines)
    _set_timeout(lines, text, changes)
    _set_default(lines, text, changes)
    _set_roots(lines, place, changes)
    initrds = _lines_with_initrd(lines)
    kept = []
    for number, line in enumerate(lines):
        word, _rest = split_command(line)
        if word in ("root", "rootnoverify"):
            line = _known_device(line, place, devices, changes)
        elif word == "kernel":
            line = _kernel_line(line, steady_names if number in initrds else {}, changes)
        elif word in ("pause", "lock"):
            changes.append(f"`{line.strip()}` removed: the loader waited there for a key")
            continue
        elif word == "savedefault" and not can_save:
            changes.append("removed `savedefault`: it has no file to write to, and fails with Error 15")
            continue
        kept.append(line)
    return Edited("\n".join(kept), tuple(dict.fromkeys(changes)))


def _set_timeout(lines: list[str], text: str, changes: list[str]) -> None:
    if parse_menu(text).timeout is not None:
        return
    lines[:] = [line for line in lines if split_command(line)[0] != "timeout"]
    lines.insert(0, f"timeout {_TIMEOUT_SECONDS}")
    changes.append(f"timeout {_TIMEOUT_SECONDS}: without one, PV-GRUB waits at the menu forever")


def _set_default(lines: list[str], text: str, changes: list[str]) -> None:
    menu = parse_menu(text)
    taken = choice(menu, "grub-0.97")
    if not isinstance(menu.default, int) or taken.entry is None or "does not exist" not in taken.reason:
        return
    for number, line in enumerate(lines):
        if split_command(line)[0] == "default":
            lines[number] = f"default {taken.entry}"
    changes.append(f"default {taken.entry}, which PV-GRUB uses anyway: {taken.reason}")


def _set_roots(lines: list[str], place: str, changes: list[str]) -> None:
    """An entry whose paths name no device needs a root line, before its kernel."""
    has_root = True
    number = 0
    while number < len(lines):
        word, rest = split_command(lines[number])
        if word == "title":
            has_root = False
        elif word in ("root", "rootnoverify"):
            has_root = True
        elif word in ("kernel", "initrd") and not has_root and not rest.startswith(("(", "-")):
            lines.insert(number, f"root {place}")
            changes.append(f"root {place} in an entry that had none: Error 21")
            has_root = True
        number += 1


def _lines_with_initrd(lines: list[str]) -> set[int]:
    """The numbers of the lines of entries that have an initrd: without one, a kernel knows no UUID."""
    found: set[int] = set()
    entry: list[int] = []
    has_initrd = False
    for number, line in enumerate([*lines, "title"]):
        word = split_command(line)[0]
        if word == "title":
            found |= set(entry) if has_initrd else set()
            entry, has_initrd = [], False
        entry.append(number)
        has_initrd = has_initrd or word == "initrd"
    return found


def _known_device(line: str, place: str, devices: Set[str], changes: list[str]) -> str:
    match = _DEVICE.search(line)
    if match is None or match[0] in devices:
        return line
    changes.append(f"root {place} instead of {match[0]}, which the image does not have")
    return line[: match.start()] + place + line[match.end() :]


def _kernel_line(line: str, steady_names: Mapping[int, str], changes: list[str]) -> str:
    match = _SHIFTING.search(line)
    name = steady_names.get(int(match["number"] or 0)) if match else None
    if match and name:
        changes.append(f"root={name} instead of {match[0]}: such names shift (sda1, xvda1)")
        line = line[: match.start()] + name + line[match.end() :]
    if not any(word.split(",")[0] == _XEN_CONSOLE for word in line.split()):
        changes.append(f"{_XEN_CONSOLE} on the kernel's line: Xen's console is the only one that an instance has")
        line = f"{line.rstrip()} {_XEN_CONSOLE}"
    return line
