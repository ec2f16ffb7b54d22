"""What a page shows, as data. Nothing in it is trusted: names, consoles and menus come out of images."""

from __future__ import annotations

from dataclasses import dataclass

from imagebuild.report import Report
from imagebuild.vocabulary import MachineName


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the disk, in bytes from its begin."""

    offset_bytes: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Area:
    """The disk itself, a partition or a logical volume (`level` 0, 0 and 1), and what lies in it.

    `name` is the loader's ((hd0), (hd0,0)) or the volume's path; `stretches` is empty where its place is not known.
    """

    name: str
    size_bytes: int
    stretches: tuple[Stretch, ...]
    type: str
    mountpoint: str = ""
    label: str = ""
    uuid: str = ""
    level: int = 0


@dataclass(frozen=True, slots=True)
class DiskFacts:
    """`table` is `none`, `dos` or `gpt`."""

    size_bytes: int
    table: str
    areas: tuple[Area, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the boot menu, with its files as the menu names them."""

    title: str
    kernel: str
    initrd: str
    default: bool = False


@dataclass(frozen=True, slots=True)
class PackageLine:
    name: str
    version: str
    architecture: str


@dataclass(frozen=True, slots=True)
class Console:
    """The log of one boot. `fatal`: the numbers (from 0) of the lines that no boot recovers from."""

    machine: MachineName
    name: str
    lines: tuple[str, ...]
    fatal: frozenset[int] = frozenset()
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Previous:
    """The build before this one in the same folder. `made`: when, in words."""

    report: Report
    packages: tuple[PackageLine, ...]
    made: str


@dataclass(frozen=True, slots=True)
class ReportPage:
    """All of one report.html. `disk` None: it could not be read; `previous` None: there was none.

    `contents`: what the image was made of, each by its name (recipe, packages, users).
    """

    report: Report
    verb: str
    made: str
    disk: DiskFacts | None = None
    menu_path: str = ""
    menu: str = ""
    entries: tuple[Entry, ...] = ()
    notes: tuple[str, ...] = ()
    contents: tuple[tuple[str, str], ...] = ()
    packages: tuple[PackageLine, ...] = ()
    consoles: tuple[Console, ...] = ()
    previous: Previous | None = None
