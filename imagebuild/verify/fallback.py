"""The menu's fallback, proven: on an overlay where the default entry's kernel is broken, the image has to come up.

The kernel is broken where it lies: the first bytes of its first block, with the signature that every loader looks for
(`HdrS`, the kernel's Documentation/arch/x86/boot.rst), become zeros in a copy-on-write layer above the image. So it
works for every filesystem, and the loader meets what it would meet after a bad upgrade: a file that is no kernel.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from imagebuild.bootloaders.menus.trace import Trace
from imagebuild.errors import VerifyError
from imagebuild.formats.text import excerpt
from imagebuild.host import command
from imagebuild.host.sparse import data_extents
from imagebuild.image.boot_files import EntryFiles, FileAt, NoEntry, entry_files, locate
from imagebuild.image.menu_runs import trace_of
from imagebuild.image.subject import Subject
from imagebuild.report import Boot, BootEnd

_NAMED = re.compile(rb"(?:Booting|Falling back to) ['`](.*?)'\s")
# The smallest block that a file's content is cut into; bzImage's setup header (to 0x26c) lies within.
_BROKEN_BYTES = 1024
_PACKAGE = "qemu-utils"


@dataclass(frozen=True, slots=True)
class Case:
    """What there is to prove: the kernel of entry `default` lies at `broken_at` (bytes from the image's start), and
    the entry `fallback` has to come up without it."""

    default: int
    fallback: int
    fallback_title: str
    broken_at: tuple[int, ...]


def case_of(subject: Subject) -> Case | str | None:
    """The case, or why there is nothing that a boot could prove; None when the menu has no fallback at all."""
    if subject.menu is None or not subject.menu.fallback:
        return None
    tried = _in_turn(trace_of(subject, "grub-0.97"))
    if len(tried) < 2:
        return "the menu's fallback is no other entry than its default"
    default, fallback = entry_files(subject, tried[0]), entry_files(subject, tried[1])
    if isinstance(default, NoEntry):
        return f"the default entry cannot start ({default.reason}): the boot above came up with the fallback already"
    if isinstance(fallback, NoEntry):
        return f"the fallback cannot start: {fallback.reason}"
    if default.kernel[:_BROKEN_BYTES] == fallback.kernel[:_BROKEN_BYTES]:
        return f"entries {default.number} and {fallback.number} start the same kernel: what breaks one breaks both"
    found = tuple(_places_of(subject, default))
    if not found:
        return f"the blocks of the kernel of entry {default.number} were not found in the image"
    return Case(default.number, fallback.number, fallback.title, found)


def _in_turn(trace: Trace | None) -> tuple[int, ...]:
    """The default entry and its fallbacks, each once, as the loader numbers them: counted over all titles."""
    if trace is None or trace.default is None:
        return ()
    return tuple(dict.fromkeys(trace.entries[number].ordinal for number in (trace.default, *trace.fallbacks)))


def _places_of(subject: Subject, files: EntryFiles) -> Iterator[int]:
    """Where the kernel's first bytes lie in the filesystem that holds it: all copies, since any may be the file's."""
    assert subject.menu is not None
    entry = subject.menu.entries[files.number]
    at = locate(subject, entry, entry.kernel or "")
    if isinstance(at, FileAt):
        for run in at.place.runs:
            yield from _found(subject.raw, files.kernel[:_BROKEN_BYTES], run.offset_bytes, run.size_bytes)


def _found(raw: Path, needle: bytes, start: int, size: int) -> Iterator[int]:
    """Where `needle` begins at a multiple of its length, data only (holes are passed over)."""
    end = start + size
    with raw.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for extent in data_extents(file.fileno(), start, min(end, len(content))):
            at = content.find(needle, extent.start, extent.end)
            while at >= 0:
                if (at - start) % _BROKEN_BYTES == 0:
                    yield at
                at = content.find(needle, at + 1, extent.end)


def broken_overlay(raw: Path, case: Case, folder: Path) -> Path:
    """A qcow2 layer above `raw` in which the default entry's kernel is broken. Raises HostError, VerifyError."""
    command.require("qemu-img", _PACKAGE)
    command.require("qemu-io", _PACKAGE)
    overlay = folder / "broken-default.qcow2"
    words = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(raw), str(overlay)]
    command.run(words, doing="making an overlay over the image")
    writes = [word for at in case.broken_at for word in ("-c", f"write -P 0 {at} {_BROKEN_BYTES}")]
    command.run(["qemu-io", "-f", "qcow2", *writes, str(overlay)], doing="breaking the kernel in the overlay")
    return overlay


def judged(boot: Boot, case: Case, console: bytes) -> str:
    """What a boot that reached its end proves. Raises VerifyError when the loader never named the fallback entry.

    GRUB 0.97 says "Booting 'TITLE'" of each entry that it tries (stage2.c), GRUB 2 "Falling back to `TITLE'" (menu.c).
    """
    assert boot.end is BootEnd.REACHED
    titles = [match[1].decode("utf-8", "replace") for match in _NAMED.finditer(console)]
    if case.fallback_title not in titles:
        said = ", ".join(map(excerpt, titles)) or "no entry at all"
        raise VerifyError(f"the loader should fall back to {excerpt(case.fallback_title)}, but it named {said}")
    return (
        f"with the kernel of entry {case.default} broken, entry {case.fallback} ({excerpt(case.fallback_title)}) "
        f"came up: {boot.detail}"
    )
