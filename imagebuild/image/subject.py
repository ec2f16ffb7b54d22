"""The image under verification: opened once, read by many, never written.

    with open_subject(image, tools, scratch) as subject: …

A bad image is no exception here: a missing menu is `subject.menu is None`, with the reason in `subject.menu_problem`.
"""

from __future__ import annotations

import contextlib
import shutil
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from imagebuild.bootloaders.menu import Menu, parse_menu
from imagebuild.bootloaders.pv_grub import MENU_PLACES, MenuPlace
from imagebuild.errors import VerifyError
from imagebuild.formats.qcow2 import DiskFormat, disk_format
from imagebuild.host import command
from imagebuild.image.places import Place, Table, look_at_disk
from imagebuild.image.readers import Reader, ReadError, reader_of
from imagebuild.testhost import Tools
from imagebuild.vocabulary import Layout

MOST_MENU_BYTES = 2**20
_CONVERT_TIMEOUT_SECONDS = 1800
_EXTERNAL_DATA_FILE = 1 << 2


def disk_format_of(image: Path) -> DiskFormat:
    """What kind of file the image is. Raises OSError."""
    with image.open("rb") as file:
        return disk_format(file.read(4))


@dataclass(frozen=True, slots=True)
class Subject:
    """An image, opened. `raw` is a raw view of it (itself, or a copy of a qcow2's content).

    `places`: every part that may hold a filesystem. `menu`, `menu_text`, `menu_bytes` and `menu_at` are those of the
    first menu found where a PV-GRUB looks; None and empty when there is none that can be read (`menu_problem`).
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
    _readers: dict[str, Reader | None] = field(default_factory=dict, repr=False, compare=False)

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
        return self.place(self.menu_at.place if self.menu_at else "(hd0)" if self.table is None else "(hd0,0)")

    def reader(self, place: Place) -> Reader | None:
        """A reader for the place that is not GRUB 0.97's; None where no filesystem is known."""
        if place.name not in self._readers:
            self._readers[place.name] = reader_of(self.raw, place, self.tools)
        return self._readers[place.name]

    def read(self, place: Place, path: str, most_bytes: int) -> bytes:
        """A whole file of a place. Raises ReadError when it cannot be had."""
        reader = self.reader(place)
        if reader is None:
            raise ReadError("unreadable", f"{place.name} holds no filesystem that can be read here ({place.type})")
        return reader.read(path, most_bytes)


@contextlib.contextmanager
def open_subject(image: Path, tools: Tools, scratch: Path) -> Iterator[Subject]:
    """The image, raw or qcow2, opened for looking; temporary files go below `scratch` and with the block's end.

    Raises VerifyError when there is no such file, or when it is none that can be opened.
    """
    image = image.absolute()
    if not image.is_file():
        raise VerifyError(f"there is no image {image}", resolution="name a raw or qcow2 disk image")
    if image.stat().st_size < 4096:
        raise VerifyError(f"{image} has {image.stat().st_size} bytes: no disk image", resolution="name a disk image")
    with tempfile.TemporaryDirectory(prefix="subject-", dir=scratch) as name:
        folder = Path(name)
        raw = _raw_view(image, folder)
        table, places = look_at_disk(raw)
        bare = Subject(image, raw, folder, tools, raw.stat().st_size, table, places)
        yield _with_menu(bare)


def _raw_view(image: Path, folder: Path) -> Path:
    """A name without odd characters for the image, and for a qcow2 image a sparse raw copy of its content."""
    raw = folder / "image.raw"
    with image.open("rb") as file:
        header = file.read(112)
    if disk_format(header) == "raw":
        raw.symlink_to(image.resolve())
        return raw
    version, backing = struct.unpack_from(">IQ", header, 4)
    features = struct.unpack_from(">Q", header, 72)[0] if version >= 3 else 0
    if backing or features & _EXTERNAL_DATA_FILE:
        raise VerifyError(
            f"{image} is only a part of an image: its qcow2 header names another file",
            resolution="make it whole first: qemu-img convert -O qcow2 IMAGE WHOLE-IMAGE",
        )
    free = shutil.disk_usage(folder).free
    size = struct.unpack_from(">Q", header, 24)[0]
    command.require("qemu-img", "qemu-utils")
    link = folder / "image.qcow2"
    link.symlink_to(image.resolve())
    argv = ["prlimit", f"--fsize={min(size + 2**20, 2**62)}", "--", "qemu-img", "convert", "-f", "qcow2", "-O", "raw"]
    finished = command.attempt([*argv, link.name, raw.name], folder=folder, timeout_seconds=_CONVERT_TIMEOUT_SECONDS)
    if finished.exit_code != 0 or not raw.is_file():
        raise VerifyError(
            f"{image} cannot be converted to a raw image",
            details=finished.tail(),
            resolution=f"see whether `qemu-img check` finds the image sound; {folder} has {free // 2**20} MiB free",
        )
    return raw


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
    return replace(subject, menu_problem="; ".join(problems) or "there is no place where a PV-GRUB looks for it")
