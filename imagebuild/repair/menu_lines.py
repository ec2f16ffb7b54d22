"""Mends how a menu.lst is read and run: lost lines, odd blanks, stray words, lines in an order that GRUB 0.97 refuses.

Pure. Only what keeps 0.97 from doing what the lines say is touched; the interpreter (bootloaders/menus) is the judge.
"""

from __future__ import annotations

import re

from imagebuild.bootloaders.menu import split_command
from imagebuild.bootloaders.menus.grub_legacy.dialect import PV_GRUB, Place
from imagebuild.bootloaders.menus.grub_legacy.lines import BadNumber, parse_number

_HEAD_ONLY = frozenset(word for word, place in PV_GRUB.commands.items() if place is Place.HEAD)
# They print, and start nothing; but an error of theirs ends the entry.
_ONLY_PRINT = frozenset(("blocklist", "cat", "cmp", "find", "geometry"))
_RANK = {"root": 0, "rootnoverify": 0, "kernel": 1, "initrd": 2, "module": 2, "modulenounzip": 2, "boot": 4}
_WORD_AND_BLANK = re.compile(r"\s*([a-z0-9]+)[ \t]")


def mend_lines(lines: list[str], changes: list[str]) -> list[str]:
    """The lines as they were meant; what was changed is added to `changes`, one sentence each."""
    lines = _with_plain_blanks(lines, changes)
    lines = _without_backslashes(lines, changes)
    head, entries = _split(lines)
    head = [_plain_fallback(line, changes) for line in head]
    mended = [_entry(entry, head, changes) for entry in entries]
    return head + [line for entry in mended for line in entry]


def _with_plain_blanks(lines: list[str], changes: list[str]) -> list[str]:
    if lines and lines[0].startswith("\ufeff"):
        lines = [lines[0].removeprefix("\ufeff"), *lines[1:]]
        changes.append("removed the byte order mark before the first word: GRUB 0.97 reads it as part of the word")
    if any("\u00a0" in line for line in lines):
        lines = [line.replace("\u00a0", " ") for line in lines]
        changes.append("replaced no-break spaces by spaces: GRUB 0.97 accepts only space and tab as blanks")
    return lines


def _without_backslashes(lines: list[str], changes: list[str]) -> list[str]:
    """No line joins the next any more: 0.97 joins also comments and titles, other loaders join none."""
    done: list[str] = []
    joins = False
    for line in lines:
        if joins:
            if _is_command(line) or not done[-1].strip() or done[-1].lstrip().startswith("#") or _is_title(done[-1]):
                changes.append(f"removed a backslash before `{line.strip()}`: it joined that line to the one before")
            else:
                line = f"{done.pop().rstrip()} {line.lstrip()}"
                changes.append("a line that a backslash continued is one line: only GRUB 0.97 joins such lines")
        joins = line.rstrip("\r").endswith("\\")
        done.append(line.rstrip("\r").rstrip("\\").rstrip() if joins else line)
    return done


def _is_command(line: str) -> bool:
    """A line that is one by itself: a command's word and a blank, where `root=…` is an argument."""
    match = _WORD_AND_BLANK.match(f"{line} ")
    return match is not None and match[1] in PV_GRUB.commands


def _is_title(line: str) -> bool:
    return split_command(line)[0] == "title"


def _split(lines: list[str]) -> tuple[list[str], list[list[str]]]:
    head: list[str] = []
    entries: list[list[str]] = []
    for line in lines:
        if _is_title(line):
            entries.append([line])
        else:
            (entries[-1] if entries else head).append(line)
    return head, entries


def _plain_fallback(line: str, changes: list[str]) -> str:
    """fallback_func gives up at the first word that is no number, before it has set anything."""
    word, rest = split_command(line)
    if word != "fallback":
        return line
    numbers: list[int] = []
    for item in rest.split():
        found = parse_number(item)
        if isinstance(found, BadNumber):
            break
        if found[0] not in numbers:
            numbers.append(found[0])
    plain = f"fallback {' '.join(map(str, numbers))}".rstrip()
    if plain.split() == [word, *rest.split()]:
        return line
    changes.append(f"`{plain}` in place of `{line.strip()}`: GRUB 0.97 drops it all for a word that is no number")
    return plain


def _entry(lines: list[str], head: list[str], changes: list[str]) -> list[str]:
    kept: list[str] = []
    for line in lines:
        word = split_command(line)[0]
        if word in _HEAD_ONLY:
            if all(split_command(other)[0] != word for other in head):
                head.insert(0, line.strip())
            changes.append(f"`{line.strip()}` moved above the entries: inside an entry it is Error 27")
        elif word in _ONLY_PRINT:
            changes.append(f"`{line.strip()}` removed: it starts nothing, and its error would end the entry")
        else:
            kept.append(line)
    return _in_order(kept, changes)


def _in_order(lines: list[str], changes: list[str]) -> list[str]:
    """root, kernel, initrd, boot. An entry with several kernels, or none, is left as it is."""
    words = [split_command(line)[0] for line in lines]
    if words.count("kernel") != 1 or sum(word in ("root", "rootnoverify") for word in words) > 1:
        return lines
    named = [(_RANK[word], index) for index, word in enumerate(words) if word in _RANK]
    if named == sorted(named):
        return lines
    ordered = [lines[index] for _, index in sorted(named)]
    changes.append(
        f"{', '.join(split_command(line)[0] for line in ordered)} in this order: GRUB 0.97 runs line by line"
    )
    places = iter(ordered)
    return [next(places) if word in _RANK else line for line, word in zip(lines, words, strict=True)]
