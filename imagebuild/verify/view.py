"""What the static checks share: the entries that matter, their files, and each file's content, read once."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Literal

from imagebuild.bootloaders.menu import MenuEntry
from imagebuild.bootloaders.menu_choice import Choice, choice
from imagebuild.bootloaders.menus.trace import Trace
from imagebuild.errors import VerifyError
from imagebuild.formats.bzimage import KernelFacts
from imagebuild.formats.device_name import DeviceName
from imagebuild.formats.initrd import InitrdError, InitrdFacts, InitrdLimitError, read_initrd
from imagebuild.formats.kernel_file import unwrap
from imagebuild.formats.root_argument import InitrdsRoot, RootArgument, root_argument, root_of_initrd
from imagebuild.formats.text import excerpt
from imagebuild.image.boot_files import FileAt, NoEntry, locate
from imagebuild.image.device_names import NO_FILESYSTEM, NotThere, resolve
from imagebuild.image.menu_runs import is_unknown, started_entry, trace_of
from imagebuild.image.places import Place
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


_known_initrds: dict[tuple[int, int], InitrdFacts | InitrdError] = {}
_MOST_KNOWN_INITRDS = 4


def initrd_facts(content: bytes) -> InitrdFacts | InitrdError:
    """What is in an initrd, or what is wrong with it. Unpacking takes a second: once for each content.

    Raises VerifyError where it holds more than is read (limits.py).
    """
    key = (len(content), hash(content))
    if key not in _known_initrds:
        while len(_known_initrds) >= _MOST_KNOWN_INITRDS:
            del _known_initrds[next(iter(_known_initrds))]
        try:
            _known_initrds[key] = read_initrd(content)
        except InitrdError as error:
            _known_initrds[key] = error
    found = _known_initrds[key]
    if isinstance(found, InitrdLimitError):
        raise VerifyError(f"an initrd of the image cannot be read: {found}")
    return found


class View:
    """A subject as the checks see it. Everything dear is read when first asked for, and once."""

    def __init__(self, subject: Subject, loader: BootLoader, main: View | None = None) -> None:
        """`main`: this is the view of the entries beside those of that view."""
        self.subject = subject
        self.loader = loader
        self._main = main

    @functools.cached_property
    def trace(self) -> Trace | None:
        """What GRUB 0.97 does with the menu; None without one."""
        return trace_of(self.subject, "grub-0.97")

    @functools.cached_property
    def taken(self) -> Choice:
        menu, trace = self.subject.menu, self.trace
        if menu is None or trace is None:
            return Choice(None, reason=f"no menu: {self.subject.menu_problem}")
        taken = choice(menu, "grub-0.97")
        if trace.default is None:
            return taken
        ordinals = [entry.ordinal for entry in trace.entries]
        fallbacks = tuple(dict.fromkeys(ordinals[number] for number in trace.fallbacks))
        return replace(taken, entry=ordinals[trace.default], fallbacks=fallbacks)

    @functools.cached_property
    def reached(self) -> tuple[ReachedEntry, ...]:
        """The default entry and the fallbacks, in the order in which the loader tries them."""
        menu, trace = self.subject.menu, self.trace
        if menu is None or trace is None or self.taken.entry is None or is_unknown(trace):
            return ()
        numbers = dict.fromkeys((self.taken.entry, *self.taken.fallbacks))
        return tuple(
            self._reach("default" if number == self.taken.entry else "fallback", number, menu.entries[number])
            for number in numbers
        )

    @functools.cached_property
    def entries(self) -> tuple[ReachedEntry, ...]:
        """The entry that the loader starts by itself (the default, where it starts none); in the other view, the rest.

        What is wrong with the rest makes no image bad: "does it start?" is the question.
        """
        started = started_entry(self.trace) if self.trace else None
        first = [reached for reached in self.reached if reached.number == started] or list(self.reached[:1])
        return tuple(first) if self._main is None else tuple(item for item in self.reached if item not in first)

    @property
    def is_beside(self) -> bool:
        """Whether this view is of the entries that the loader does not start."""
        return self._main is not None

    @functools.cached_property
    def beside(self) -> View:
        """The view of the other entries: those that were tried before, and the fallbacks behind."""
        return View(self.subject, self.loader, self)

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

    @functools.cached_property
    def own_files(self) -> tuple[BootFile, ...]:
        """Those that the other view does not show already."""
        known = {(file.role, file.at) for file in self._main.files} if self._main else set()
        return tuple(file for file in self.files if (file.role, file.at) not in known)

    @property
    def all_files(self) -> tuple[BootFile, ...]:
        """These files, and in the view beside also those of the entry that starts."""
        return (*(self._main.files if self._main else ()), *self.own_files)

    def content(self, at: FileAt) -> bytes:
        """A boot file's content by the independent reader. Raises ReadError, VerifyError."""
        return self.subject.boot_file(at.place, at.path)

    def content_of(self, file: BootFile) -> bytes | None:
        """The content, or None where `boot-files` says why it cannot be had."""
        try:
            return self.content(file.at)
        except ReadError:
            return None

    @functools.cache  # noqa: B019 (a view lives as long as one verification)
    def kernel_of(self, at: FileAt) -> KernelFacts | None:
        try:
            return unwrap(self.content(at))
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
            beside = f"{folder}/config-{facts.release}"
            return self.subject.read(at.place, beside, _MOST_CONFIG_BYTES).decode("utf-8", "replace")
        except ReadError:
            return None

    def argument(self, entry: MenuEntry, name: str) -> str | None:
        """The last value of `name=` on the kernel's command line (the kernel takes the last, too)."""
        values = [word.partition("=")[2] for word in entry.arguments.split() if word.startswith(f"{name}=")]
        return values[-1].strip('"') if values else None

    def resolve(self, name: DeviceName) -> Place | NotThere:
        """The place that a device name of Linux means in the guest that the image starts."""
        return resolve(name, self.subject.places, partitioned=self.subject.table is not None)

    def initrd_of(self, at: FileAt) -> InitrdFacts | None:
        """What is in an initrd; None where it cannot be read (`boot-files` and `initrd` say why)."""
        try:
            facts = initrd_facts(self.content(at))
        except ReadError:
            return None
        return None if isinstance(facts, InitrdError) else facts

    def is_linux(self, reached: ReachedEntry) -> bool:
        """Whether the entry starts Linux, or what cannot be told from it; GRUB 2's Xen image is none."""
        facts = self.kernel_of(reached.kernel) if isinstance(reached.kernel, FileAt) else None
        return facts is None or facts.is_linux

    def root_of(self, reached: ReachedEntry) -> RootArgument:
        """The root device that an entry's command line asks for."""
        facts = self.initrd_of(reached.initrd) if isinstance(reached.initrd, FileAt) else None
        is_genkernel = facts is not None and "etc/initrd.defaults" in facts.names
        return root_argument(reached.entry.arguments, genkernel=is_genkernel)

    def root_in_initrd(self, reached: ReachedEntry) -> InitrdsRoot:
        """The root device that an entry's initrd knows by itself."""
        facts = self.initrd_of(reached.initrd) if isinstance(reached.initrd, FileAt) else None
        return root_of_initrd(facts.noted) if facts else InitrdsRoot(None)

    @functools.cached_property
    def root(self) -> Place | None:
        """The place that the default entry's root= names, or that its initrd knows."""
        if not self.entries or not self.is_linux(self.entries[0]):
            return None
        device = self.root_of(self.entries[0]).device or self.root_in_initrd(self.entries[0]).device
        found = self.resolve(device) if device else None
        return found if isinstance(found, Place) and found.type not in NO_FILESYSTEM else None
