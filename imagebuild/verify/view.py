"""What the static checks share: the entries that matter, their files, and each file's content, read once."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

from imagebuild.bootloaders.menu import MenuEntry
from imagebuild.bootloaders.menu_choice import Choice, choice
from imagebuild.formats.bzimage import KernelFacts
from imagebuild.formats.kernel_file import unwrap
from imagebuild.formats.text import excerpt
from imagebuild.image.boot_files import MOST_INITRD_BYTES, MOST_KERNEL_BYTES, FileAt, NoEntry, locate
from imagebuild.image.places import Place, mapper_name
from imagebuild.image.readers import ReadError
from imagebuild.image.subject import Subject
from imagebuild.report import Outcome
from imagebuild.vocabulary import BootLoader

_MOST_DETAIL = 2000
_MOST_CONFIG_BYTES = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found about one thing."""

    outcome: Outcome
    detail: str


def _finding(outcome: Outcome, detail: str) -> Finding:
    """Names out of a hostile image may hold anything: no control character leaves here."""
    return Finding(outcome, excerpt(detail, _MOST_DETAIL))


def passed(detail: str) -> Finding:
    return _finding(Outcome.PASSED, detail)


def failed(detail: str) -> Finding:
    return _finding(Outcome.FAILED, detail)


def warned(detail: str) -> Finding:
    return _finding(Outcome.WARNED, detail)


def skipped(detail: str) -> Finding:
    return _finding(Outcome.SKIPPED, detail)


@dataclass(frozen=True, slots=True)
class BootFile:
    """A kernel or an initrd of an entry that a boot may come to. `entries` are the entries' words, for a report."""

    role: Literal["kernel", "initrd"]
    at: FileAt
    entries: tuple[str, ...]

    @property
    def shown(self) -> str:
        return f"{self.at.place.name}{excerpt(self.at.path)}"


@dataclass(frozen=True, slots=True)
class ReachedEntry:
    """An entry that the loader comes to by itself: `role` is `default` or `fallback`."""

    role: str
    number: int
    entry: MenuEntry
    kernel: FileAt | NoEntry
    initrd: FileAt | NoEntry | None

    @property
    def shown(self) -> str:
        return f"{self.role} entry {self.number} ({excerpt(self.entry.title, 80)})"


class View:
    """A subject as the checks see it. Everything dear is read when first asked for, and once."""

    def __init__(self, subject: Subject, loader: BootLoader) -> None:
        self.subject = subject
        self.loader = loader
        self._contents: dict[tuple[str, str], bytes | ReadError] = {}

    @functools.cached_property
    def taken(self) -> Choice:
        menu = self.subject.menu
        return choice(menu, "grub-0.97") if menu else Choice(None, reason=f"no menu: {self.subject.menu_problem}")

    @functools.cached_property
    def entries(self) -> tuple[ReachedEntry, ...]:
        """The default entry and the fallbacks, in the order in which the loader tries them."""
        menu = self.subject.menu
        if menu is None or self.taken.entry is None:
            return ()
        numbers = dict.fromkeys((self.taken.entry, *self.taken.fallbacks))
        return tuple(
            self._reach("default" if number == self.taken.entry else "fallback", number, menu.entries[number])
            for number in numbers
        )

    def _reach(self, role: str, number: int, entry: MenuEntry) -> ReachedEntry:
        kernel = locate(self.subject, entry, entry.kernel) if entry.kernel else NoEntry("it has no kernel line")
        initrd = locate(self.subject, entry, entry.initrd) if entry.initrd else None
        return ReachedEntry(role, number, entry, kernel, initrd)

    @functools.cached_property
    def files(self) -> tuple[BootFile, ...]:
        """Every kernel and initrd of those entries that lies on a place of the image, each once."""
        found: dict[tuple[str, str, str], BootFile] = {}
        for entry in self.entries:
            roles: tuple[tuple[Literal["kernel", "initrd"], FileAt | NoEntry | None], ...] = (
                ("kernel", entry.kernel),
                ("initrd", entry.initrd),
            )
            for role, at in roles:
                if isinstance(at, FileAt):
                    key = (role, at.place.name, at.path)
                    before = found[key].entries if key in found else ()
                    found[key] = BootFile(role, at, (*before, entry.shown))
        return tuple(found.values())

    def content(self, at: FileAt, most_bytes: int) -> bytes:
        """A file's content by the independent reader. Raises ReadError."""
        key = (at.place.name, at.path)
        if key not in self._contents:
            try:
                self._contents[key] = self.subject.read(at.place, at.path, most_bytes)
            except ReadError as error:
                self._contents[key] = error
        found = self._contents[key]
        if isinstance(found, ReadError):
            raise found
        return found

    def content_of(self, file: BootFile) -> bytes | None:
        """The content, or None where `boot-files` says why it cannot be had."""
        try:
            return self.content(file.at, MOST_KERNEL_BYTES if file.role == "kernel" else MOST_INITRD_BYTES)
        except ReadError:
            return None

    @functools.cache  # noqa: B019 (a view lives as long as one verification)
    def kernel_of(self, at: FileAt) -> KernelFacts | None:
        try:
            return unwrap(self.content(at, MOST_KERNEL_BYTES))
        except ReadError:
            return None

    @functools.cache  # noqa: B019
    def config_of(self, at: FileAt) -> str | None:
        """The kernel's configuration, if config-RELEASE lies beside the kernel."""
        facts = self.kernel_of(at)
        if facts is None or not facts.release:
            return None
        folder = at.path.rpartition("/")[0]
        try:
            beside = FileAt(at.place, f"{folder}/config-{facts.release}")
            return self.content(beside, _MOST_CONFIG_BYTES).decode("utf-8", "replace")
        except ReadError:
            return None

    def argument(self, entry: MenuEntry, name: str) -> str | None:
        """The last value of `name=` on the kernel's command line (the kernel takes the last, too)."""
        values = [word.partition("=")[2] for word in entry.arguments.split() if word.startswith(f"{name}=")]
        return values[-1].strip('"') if values else None

    def named(self, device: str) -> Place | None:
        """The place that a device name of Linux means: UUID=, LABEL=, PARTUUID=, a logical volume's path."""
        wanted = device.replace('"', "")
        return next((place for place in self.subject.places if wanted in names_of(place)), None)

    @functools.cached_property
    def root(self) -> Place | None:
        """The place that the default entry's root= names."""
        device = self.argument(self.entries[0].entry, "root") if self.entries else None
        return self.named(device) if device else None


def names_of(place: Place) -> set[str]:
    """Every steady name that Linux gives a place; UUIDs in either case, as blkid and people write them."""
    names = {place.name, mapper_name(*place.volume)} if place.volume else set()
    if place.partuuid:
        names |= {f"PARTUUID={place.partuuid}", f"PARTUUID={place.partuuid.upper()}"}
    if place.contents and place.contents.uuid:
        uuid = place.contents.uuid
        names |= {f"UUID={uuid}", f"UUID={uuid.lower()}", f"UUID={uuid.upper()}"}
    if place.contents and place.contents.label:
        names.add(f"LABEL={place.contents.label}")
    return names
