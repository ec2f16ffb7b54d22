"""What the boot loaders do with an image's own menu: their interpreters (bootloaders/menus), with the image's files.

trace_of(subject, "grub-0.97")     what PV-GRUB starts by itself, or why not
"""

from __future__ import annotations

from collections.abc import Mapping

from imagebuild.bootloaders.menus import grub2_legacy, grub_legacy, pygrub
from imagebuild.bootloaders.menus.facts import Found, Missing, Partition
from imagebuild.bootloaders.menus.trace import End, LoaderName, Trace
from imagebuild.bootloaders.pv_grub import PV_GRUB
from imagebuild.formats.kernel_file import unwrap
from imagebuild.formats.text import excerpt
from imagebuild.image.places import Place
from imagebuild.image.readers import ReadError
from imagebuild.image.subject import Subject
from imagebuild.limits import BOOT_FILE

_LINUX_TYPE = 0x83
_BOOT_FAILURE = 9
_OLDEST_PROTOCOL = (2, 8)
_KINDS = {"missing": Missing(15), "not a file": Missing(2)}


class ImageFiles:
    """`menus.facts.Files` for an image: one disk, its filesystems read by other code than the loader's."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject

    def disks(self) -> int:
        return 1

    def partitions(self, disk: int) -> Mapping[int, int] | None:
        table = self._subject.table
        return None if table is None else {item.number - 1: _type_code(item.type) for item in table.partitions}

    def mounts(self, disk: int, partition: Partition) -> bool | None:
        place = self._place(partition)
        return place is not None and self._subject.reader(place) is not None

    def find(self, disk: int, partition: Partition, path: str) -> Found | Missing | None:
        place = self._place(partition)
        reader = self._subject.reader(place) if place else None
        if place is None or reader is None:
            return None
        if reader.sees_inodes and (inode := reader.inode(path)) is not None:
            return Found(inode.size_bytes) if inode.type == "regular" else Missing(2)
        found = self._read(place, path)
        return _KINDS.get(found.kind) if isinstance(found, ReadError) else Found(len(found))

    def read(self, disk: int, partition: Partition, path: str, most_bytes: int) -> bytes | None:
        place = self._place(partition)
        found = self._read(place, path) if place else None
        return found[:most_bytes] if isinstance(found, bytes) else None

    def boots(self, disk: int, partition: Partition, path: str) -> int | None:
        """What Xen's domain builder inside PV-GRUB refuses: no kernel, a truncated one, one that it cannot unpack."""
        content = self.read(disk, partition, path, BOOT_FILE.most)
        if content is None:
            return None
        facts = unwrap(content)
        if facts is None or not facts.complete or not PV_GRUB.can_unpack(facts.compression):
            return _BOOT_FAILURE
        return _BOOT_FAILURE if facts.format == "bzImage" and facts.protocol < _OLDEST_PROTOCOL else 0

    def _place(self, partition: Partition) -> Place | None:
        return self._subject.place("(hd0)" if partition is None else f"(hd0,{partition})")

    def _read(self, place: Place, path: str) -> bytes | ReadError:
        try:
            return self._subject.boot_file(place, path)
        except ReadError as error:
            return error


def _type_code(text: str) -> int:
    """sfdisk's word for a partition's type: two hexadecimal digits (MBR), or a GUID, which 0.97 never sees."""
    return int(text, 16) if len(text) <= 2 else _LINUX_TYPE


def trace_of(subject: Subject, loader: LoaderName) -> Trace | None:
    """What the loader does with the menu; None where there is no menu. Made once for each loader."""
    if subject.menu_at is None:
        return None
    if loader not in subject.traces:
        subject.traces[loader] = _trace(subject, loader)
    return subject.traces[loader]


def _trace(subject: Subject, loader: LoaderName) -> Trace:
    at, menu, files = subject.menu_at, subject.menu_bytes, ImageFiles(subject)
    assert at is not None
    match loader:
        case "grub-0.97":
            return grub_legacy.interpret(menu, f"{at.place}{at.path}", files)
        case "pygrub":
            return pygrub.interpret(menu, 0, at.partition, files)
        case "grub2-legacy":
            root = "hd0" if at.partition is None else f"hd0,{at.partition + 1}"
            return grub2_legacy.interpret(menu, root, files)


def started_entry(trace: Trace) -> int | None:
    """The number of the entry whose kernel starts, counted over all titles; None: none, or one of another menu."""
    run = trace.started
    return None if run is None or loads_another_menu(trace) else trace.entries[run.entry].ordinal


def loads_another_menu(trace: Trace) -> bool:
    """Whether a `configfile` leads out of this menu: entries' numbers are then another menu's."""
    return any(run.other_menu for run in trace.runs)


def is_unknown(trace: Trace) -> bool:
    """Whether the menu depends on the machine, or leads to another menu whose entries are not looked at."""
    return trace.end is End.UNKNOWN or loads_another_menu(trace)


def why_unknown(trace: Trace) -> str:
    """Why a menu `is_unknown`, for a report: printable, and not too long."""
    if trace.end is End.UNKNOWN:
        return excerpt(trace.reason)
    return f"another menu is loaded, whose entries are not looked at: {excerpt(trace.reason)}"
