"""What the image's own menu would boot: the files behind an entry, read by another reader than the loader's."""

from __future__ import annotations

from dataclasses import dataclass

from imagebuild.bootloaders.menu import MenuEntry, loader_path
from imagebuild.bootloaders.menu_choice import choice
from imagebuild.formats.text import excerpt
from imagebuild.image.menu_runs import is_unknown, started_entry, trace_of, why_unknown
from imagebuild.image.places import Place
from imagebuild.image.readers import ReadError
from imagebuild.image.subject import Subject


@dataclass(frozen=True, slots=True)
class EntryFiles:
    """An entry with its files' content. `number` is its index in the menu, counted from 0."""

    title: str
    kernel: bytes
    initrd: bytes | None
    command_line: str
    number: int


@dataclass(frozen=True, slots=True)
class NoEntry:
    """There is nothing to boot, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class FileAt:
    """A file that an entry names: the place it lies on, and its path there."""

    place: Place
    path: str


def default_entry_files(subject: Subject) -> EntryFiles | NoEntry:
    """The entry that PV-GRUB starts by itself: the default, or the first fallback whose files are there."""
    if subject.menu is None:
        return NoEntry(f"no menu: {subject.menu_problem}")
    taken = choice(subject.menu, "grub-0.97")
    if taken.entry is None:
        return NoEntry(taken.reason)
    trace = trace_of(subject, "grub-0.97")
    if trace is not None and is_unknown(trace):
        return NoEntry(f"the menu's result depends on the machine: {why_unknown(trace)}")
    started = started_entry(trace) if trace else None
    if started is not None:
        return entry_files(subject, started)
    found = entry_files(subject, taken.entry)
    for number in taken.fallbacks if isinstance(found, NoEntry) else ():
        if isinstance(fallback := entry_files(subject, number), EntryFiles):
            return fallback
    return found


def entry_files(subject: Subject, number: int) -> EntryFiles | NoEntry:
    """The files of the entry with that index in the menu."""
    menu = subject.menu
    if menu is None or not 0 <= number < len(menu.entries):
        return NoEntry(f"the menu has no entry {number}")
    entry = menu.entries[number]
    if entry.kernel is None:
        return NoEntry(f"entry {number} ({excerpt(entry.title)}) has no kernel line")
    kernel = _content(subject, entry, entry.kernel)
    initrd = _content(subject, entry, entry.initrd) if entry.initrd else None
    for found in (kernel, initrd):
        if isinstance(found, NoEntry):
            return found
    assert not isinstance(kernel, NoEntry)
    assert not isinstance(initrd, NoEntry)
    return EntryFiles(entry.title, kernel, initrd, entry.arguments, number)


def has_kernel_alone(subject: Subject, entry: MenuEntry) -> bool:
    """Whether the kernel can be read, and the initrd that the entry names cannot."""
    if entry.kernel is None or not entry.initrd:
        return False
    kernel = _content(subject, entry, entry.kernel)
    return not isinstance(kernel, NoEntry) and isinstance(_content(subject, entry, entry.initrd), NoEntry)


def locate(subject: Subject, entry: MenuEntry, written: str) -> FileAt | NoEntry:
    """Where a path in the menu leads: `written` is a kernel's or an initrd's, on the device of the entry's `root`."""
    named = loader_path(written, entry.root)
    if not named.path.startswith("/"):
        return NoEntry(f"Error 1: Filename must be either an absolute pathname or blocklist: {excerpt(written)}")
    if named.device is None:
        place = subject.boot_place
        name = "the menu's own device"
    else:
        name = f"({named.device})" if named.partition is None else f"({named.device},{named.partition})"
        place = subject.place(name)
    return FileAt(place, named.path) if place else NoEntry(device_error(subject, name))


def device_error(subject: Subject, name: str) -> str:
    """What GRUB 0.97 says to a device that the image does not have (stage2/common.c; Error 17 was seen)."""
    if not name.startswith("(hd0"):
        return f"Error 21: Selected disk does not exist: {name}"
    if name == "(hd0)":
        return "Error 17: Cannot mount selected partition: (hd0) is a disk with a partition table"
    if subject.table is None:
        return f"Error 22: No such partition: {name}, the disk has no partition table"
    return f"Error 22: No such partition: {name}"


def _content(subject: Subject, entry: MenuEntry, written: str) -> bytes | NoEntry:
    found = locate(subject, entry, written)
    if isinstance(found, NoEntry):
        return found
    try:
        return subject.boot_file(found.place, found.path)
    except ReadError as error:
        return NoEntry(f"{found.place.name}: {error}")
