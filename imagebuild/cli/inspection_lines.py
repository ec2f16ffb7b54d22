"""What is in an image, as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from imagebuild.bootloaders.table import READER_TITLES
from imagebuild.cli.terminal import Segment
from imagebuild.formats.text import excerpt, size
from imagebuild.report import Outcome

if TYPE_CHECKING:
    from imagebuild.verify.inspection import BootFile, Entry, Filesystem, Inspection, Menu, Part

Line = list[Segment]
_OUTCOME_STYLE = {Outcome.FAILED: "bold red", Outcome.WARNED: "yellow"}
_TABLES = {"dos": "MBR", "gpt": "GPT"}
# Features that every filesystem of the kind has say nothing.
_USUAL = frozenset((
    "ext_attr", "dir_index", "filetype", "sparse_super", "large_file", "resize_inode", "uninit_bg", "dir_nlink",
    "extra_isize", "huge_file",
))  # fmt: skip
_LONGEST_NAME = 200


def lines(found: Inspection) -> Iterator[Line]:
    """All of it, for people."""
    table = _TABLES.get(found.table or "", found.table or "")
    layout = f"{found.layout}, {excerpt(table)}" if table else f"{found.layout}, no partition table"
    yield [(excerpt(Path(found.image).name), "bold"), (f": {found.format}, {size(found.size_bytes)}, {layout}", "")]
    yield []
    yield [("Disk", "bold")]
    for part in found.parts:
        yield from _part(part)
    yield []
    yield from _menu(found.menu) if found.menu else [[("Menu", "bold"), (f"  none: {found.menu_problem}", "bold red")]]
    yield []
    yield from _loaders(found)
    yield []
    yield from _findings(found)


def _part(part: Part) -> Iterator[Line]:
    start = f" at {size(part.stretches[0].offset_bytes)}" if part.stretches else ", not linear"
    filesystem = part.filesystem
    kind = filesystem.type if filesystem else "nothing known"
    place = start if part.kind != "disk" else ""
    yield [("  ", ""), (f"{_name(part.name):<10}", "bold"), (f" {kind:<12}", "cyan"),
           (f"{size(part.size_bytes):>9}", ""), (place + _code(part), "dim")]  # fmt: skip
    if filesystem is None:
        return
    if names := _names(part, filesystem):
        yield [("      ", ""), (names, "")]
    if details := _details(filesystem):
        yield [("      ", ""), (details, "dim")]
    if filesystem.unclean:
        yield [("      ", ""), (f"not clean: {filesystem.unclean}", "yellow")]


def _code(part: Part) -> str:
    return f", type {_name(part.type_code)}" if part.type_code else ""


def _names(part: Part, filesystem: Filesystem) -> str:
    names = [f"LABEL={_name(filesystem.label)}"] if filesystem.label else []
    names += [f"UUID={_name(filesystem.uuid)}"] if filesystem.uuid else []
    names += [f"PARTUUID={_name(part.partuuid)}"] if part.partuuid else []
    return "  ".join(names)


def _details(filesystem: Filesystem) -> str:
    blocks = f"blocks of {size(filesystem.block_bytes)}" if filesystem.block_bytes else ""
    features = " ".join(name for name in filesystem.features if name not in _USUAL)
    return ", ".join(item for item in (blocks, features) if item)


def _menu(menu: Menu) -> Iterator[Line]:
    timeout = f"timeout {menu.timeout}" if menu.timeout is not None else "no timeout"
    default = f"default {menu.default}" if menu.default is not None else "no default"
    fallback = f", fallback {' '.join(map(str, menu.fallback))}" if menu.fallback else ""
    yield [("Menu", "bold"), (f"  {menu.place}{_name(menu.path)}: {default}{fallback}, {timeout}", "")]
    for entry in menu.entries:
        yield from _entry(entry)


def _entry(entry: Entry) -> Iterator[Line]:
    style = "bold green" if entry.role == "default" else "bold"
    role = f"  ({entry.role})" if entry.role else ""
    yield [(f"  {entry.number}  ", "dim"), (_name(entry.title), style), (role, "green")]
    if entry.root is not None:
        yield [("     root     ", "dim"), (_name(entry.root), "")]
    for name, file in (("kernel", entry.kernel), ("initrd", entry.initrd)):
        if file is not None:
            yield [(f"     {name:<8} ", "dim"), *_file(file)]
        if name == "kernel" and entry.arguments:
            yield [("              ", ""), (excerpt(entry.arguments, 2000), "dim")]
    for line in entry.others:
        yield [("              ", ""), (_name(line), "dim")]


def _file(file: BootFile) -> Line:
    shown = f"{_name(file.written)}  "
    if file.problem:
        return [(shown, ""), (excerpt(file.problem, 1000), "bold red")]
    facts = [size(file.size_bytes)]
    if kernel := file.kernel:
        facts += [f"{kernel.format} {_name(kernel.release) or 'of unknown release'}", kernel.architecture]
        facts += [f"protocol {kernel.protocol}"] if kernel.format == "bzImage" else []
        facts += [kernel.compression, *([] if kernel.complete else ["truncated"])]
    if initrd := file.initrd:
        facts += ["+".join(initrd.compressions), f"{initrd.files} files"]
        facts += [f"modules for {', '.join(map(_name, initrd.releases))}"] if initrd.releases else []
    return [(shown, ""), (", ".join(facts), "")]


def _loaders(found: Inspection) -> Iterator[Line]:
    yield [("Boot loaders", "bold")]
    if found.menu is None:
        yield [("  no boot loader finds a menu", "")]
        return
    for taken in found.choices:
        title = f"  {READER_TITLES[taken.loader]:<26}"
        if taken.entry is None:
            yield [(title, ""), ("starts nothing", "bold red"), (f": {taken.reason}", "dim")]
            continue
        what = f"entry {taken.entry} ({_name(found.menu.entries[taken.entry].title)})"
        then = f", then {', '.join(map(str, taken.fallbacks))}" if taken.fallbacks else ""
        waits = ("waits forever at ", "bold red") if taken.waits else ("starts ", "")
        yield [(title, ""), waits, (what + then, ""), (f"  {taken.reason}", "dim")]
        for run in taken.runs:
            if run.end != "starts":
                last = run.lines[-1] if run.lines else "the loader ran no line of it"
                yield [(f"{'':<28}entry {run.entry} {run.end}: ", "bold red"), (excerpt(last, 1000), "")]
            elif len(taken.runs) > 1:
                yield [(f"{'':<28}entry {run.entry} starts", "")]
    if found.differences:
        yield [("  The loaders differ: the image does not start the same way everywhere.", "yellow")]


def _findings(found: Inspection) -> Iterator[Line]:
    serious = [check for outcome in _OUTCOME_STYLE for check in found.findings if check.outcome is outcome]
    counts = {outcome: sum(check.outcome is outcome for check in found.findings) for outcome in Outcome}
    shown = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    yield [("Findings", "bold"), (f"  {shown}, by the rules of {found.loader}", "")]
    for check in serious:
        yield [("  ", ""), (f"{check.outcome:<7} ", _OUTCOME_STYLE[check.outcome]), (check.name, "bold"),
               (f": {check.detail}", "")]  # fmt: skip


def _name(text: str) -> str:
    """A name out of the image, with its control characters as escapes."""
    return excerpt(text, _LONGEST_NAME)
