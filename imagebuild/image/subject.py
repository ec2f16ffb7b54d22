"""The image under verification: opened once, read by many, never written.

    with open_subject(image, tools, scratch) as subject: …

A bad image is no exception here: a missing menu is `subject.menu is None`, with the reason in `subject.menu_problem`.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from imagebuild.bootloaders.menu import Menu, parse_menu
from imagebuild.bootloaders.menus.trace import LoaderName, Trace
from imagebuild.bootloaders.pv_grub import BOOT_DEVICES, MENU_PLACES, MenuPlace
from imagebuild.errors import VerifyError
from imagebuild.image.places import Place, Table, look_at_disk
from imagebuild.image.raw_view import raw_view
from imagebuild.image.readers import Reader, ReadError, reader_of
from imagebuild.limits import BOOT_FILE
from imagebuild.testhost import Tools
from imagebuild.vocabulary import Layout

MOST_MENU_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Subject:
    """An image, opened. `raw` is a raw view of it (itself, or a copy of what it holds).

    `places`: every part that may hold a filesystem. `menu`, `menu_text`, `menu_bytes` and `menu_at` are those of the
    first menu found where a PV-GRUB looks; None and empty when there is none that can be read (`menu_problem`).
    `traces` is what image/menu_runs.py keeps there.
    """

    image: Path
    raw: Path
    scratch: Path
    tools: Tools
    size_bytes: int
    table: Table | None
    places: tuple[Place, ...]
    menu_at: MenuPlace | None = None
    menu_bytes: bytes = b""
    menu_problem: str = ""
    traces: dict[LoaderName, Trace] = field(default_factory=dict, repr=False, compare=False)
    _readers: dict[str, Reader | None] = field(default_factory=dict, repr=False, compare=False)
    _boot_files: dict[tuple[str, str], bytes | ReadError] = field(default_factory=dict, repr=False, compare=False)

    @property
    def layout(self) -> Layout:
        return "hd0" if self.table is None else "hd00"

    @property
    def menu_path(self) -> str:
        """The menu's path in the loader's filesystem: where it is, or where every PV-GRUB would look first."""
        return self.menu_at.path if self.menu_at else "/boot/grub/menu.lst"

    @property
    def menu_text(self) -> str:
        return self.menu_bytes.decode("utf-8", "replace")

    @property
    def menu(self) -> Menu | None:
        return parse_menu(self.menu_text) if self.menu_at else None

    def place(self, name: str) -> Place | None:
        """The place with that name: `(hd0)`, `(hd0,0)`, `/dev/GROUP/VOLUME`."""
        return next((place for place in self.places if place.name == name), None)

    @property
    def boot_place(self) -> Place | None:
        """The place that the loader reads: where the menu was found, or else where it should be."""
        return self.place(self.menu_at.place if self.menu_at else BOOT_DEVICES[self.layout])

    def reader(self, place: Place) -> Reader | None:
        """A reader for the place that is not GRUB 0.97's; None where no filesystem is known."""
        if place.name not in self._readers:
            self._readers[place.name] = reader_of(self.raw, place, self.tools)
        return self._readers[place.name]

    def read(self, place: Place, path: str, most_bytes: int) -> bytes:
        """A whole file of a place. Raises ReadError when it cannot be had."""
        reader = self.reader(place)
        if reader is None:
            raise ReadError("unreadable", f"{place.name} has no filesystem that imagebuild can read ({place.type})")
        return reader.read(path, most_bytes)

    def boot_file(self, place: Place, path: str) -> bytes:
        """A kernel, an initrd or what else a loader reads whole; the last ones are remembered.

        Raises ReadError, and VerifyError where it is larger than what is read (limits.py).
        """
        key = (place.name, path)
        if key not in self._boot_files:
            self._boot_files[key] = self._read_boot_file(place, path)
            self._forget_boot_files(key)
        found = self._boot_files[key]
        if isinstance(found, ReadError):
            raise found
        return found

    def _read_boot_file(self, place: Place, path: str) -> bytes | ReadError:
        try:
            return self.read(place, path, BOOT_FILE.most)
        except ReadError as error:
            if error.kind == "too large":
                raise VerifyError(f"{place.name}: {error}: {BOOT_FILE.exceeded}") from error
            return error

    def _forget_boot_files(self, newest: tuple[str, str]) -> None:
        """The oldest first, until the rest is as large as one of the largest."""
        sizes = {key: len(found) for key, found in self._boot_files.items() if isinstance(found, bytes)}
        for key in list(sizes):
            if sum(sizes.values()) > BOOT_FILE.most and key != newest:
                del self._boot_files[key], sizes[key]


@contextlib.contextmanager
def open_subject(image: Path, tools: Tools, scratch: Path) -> Iterator[Subject]:
    """The image, of any format that raw_view.py knows, opened for looking.

    Temporary files go below `scratch` and with the block's end.

    Raises VerifyError when there is no such file, or when it is none that can be opened.
    """
    image = image.absolute()
    if not image.is_file():
        raise VerifyError(f"there is no image {image}", resolution="name a disk image")
    with tempfile.TemporaryDirectory(prefix="subject-", dir=scratch) as name:
        folder = Path(name)
        raw = raw_view(image, folder)
        table, places = look_at_disk(raw)
        bare = Subject(image, raw, folder, tools, raw.stat().st_size, table, places)
        yield _with_menu(bare)


def _with_menu(subject: Subject) -> Subject:
    problems: list[str] = []
    for candidate in MENU_PLACES:
        place = subject.place(candidate.place)
        if candidate.layout != subject.layout or place is None:
            continue
        try:
            content = subject.read(place, candidate.path, MOST_MENU_BYTES)
        except ReadError as error:
            if error.kind != "missing" or "symbolic link" in str(error) or not problems:
                problems.append(f"{candidate.place}: {error}")
            continue
        return replace(subject, menu_at=candidate, menu_bytes=content, menu_problem="; ".join(problems))
    return replace(subject, menu_problem="; ".join(problems) or "it is in no place where PV-GRUB looks for it")
