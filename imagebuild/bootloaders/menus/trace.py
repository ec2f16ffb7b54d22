"""What a boot loader does with a menu when nobody touches a key, as data: one shape for all three loaders.

Trace
  head      the lines above the first title that the loader ran, or passed over
  entries   the entries that it counts, in its order
  runs      the entries that it tries, in turn, each with its lines and what they did
  end       STARTS a kernel, WAITS_AT_MENU, WAITS_FOR_KEY … or UNKNOWN: depends on the machine
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

LoaderName = Literal["grub-0.97", "pygrub", "grub2-legacy"]


class End(StrEnum):
    """How a run of the whole menu, or of one entry, ends."""

    STARTS = "starts"
    FAILS = "fails"
    WAITS_AT_MENU = "waits at the menu"
    WAITS_FOR_KEY = "waits for a key"
    NO_ENTRY = "no entry"
    HALTS = "halts"
    REBOOTS = "reboots"
    HANGS = "hangs"
    UNKNOWN = "cannot be predicted"


@dataclass(frozen=True, slots=True)
class LoaderError:
    """An error of the loader's own: GRUB 0.97's number (0 for loaders that count none), and its words."""

    number: int
    words: str

    def __str__(self) -> str:
        return f"Error {self.number}: {self.words}" if self.number else self.words


@dataclass(frozen=True, slots=True)
class FileName:
    """A file as the loader opens it: `hd0` and a partition's number (0.97 counts from 0), and the path.

    `device` None: the device of the menu itself, or none at all was set. The path is cut where the loader cuts it.
    """

    device: str | None
    partition: int | None
    path: str

    def __str__(self) -> str:
        if self.device is None:
            return self.path
        place = self.device if self.partition is None else f"{self.device},{self.partition}"
        return f"({place}){self.path}"


@dataclass(frozen=True, slots=True)
class Line:
    """A line as the loader holds it (joined, cut), and where it stands in the file (from 1; `last` when joined)."""

    number: int
    last: int
    text: str

    @property
    def place(self) -> str:
        return f"line {self.number}" if self.number == self.last else f"lines {self.number} to {self.last}"


@dataclass(frozen=True, slots=True)
class Step:
    """One line that was looked at. `line` None: the `boot` that 0.97 runs by itself at an entry's end.

    `ran` False: the loader passed over it (an unknown word, or a command that has no place there). `error` None: it did
    what `what` says. `file`: the file that it named, whether it is there or not.
    """

    line: Line | None
    command: str
    what: str
    ran: bool = True
    error: LoaderError | None = None
    file: FileName | None = None

    def __str__(self) -> str:
        place = self.line.place if self.line else "at the end"
        return f"{place}: `{self.line.text if self.line else self.command}`: {self.error or self.what}"


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry that the loader counts. `ordinal` counts all title lines of the file from 0, also those passed over."""

    title: str
    title_line: Line
    ordinal: int
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What an entry has loaded so far, or starts."""

    kernel: FileName | None = None
    command_line: str = ""
    initrd: FileName | None = None
    modules: tuple[FileName, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """One try of entry `entry` (an index into `Trace.entries`). `end` is STARTS, FAILS, UNKNOWN, WAITS_…, HALTS …

    `loaded` is what was loaded when it ended; for FAILS, the file that could not be loaded is in the last step.
    `other_menu`: the menu that it goes on with (`configfile`); the runs behind it are that menu's.
    """

    entry: int
    title: str
    steps: tuple[Step, ...]
    end: End
    reason: str
    loaded: Loaded
    other_menu: str = ""

    @property
    def failed_step(self) -> Step | None:
        return next((step for step in self.steps if step.error), None)


@dataclass(frozen=True, slots=True)
class Trace:
    """What `loader` does with one menu.

    `default`: the entry that is tried first, an index into `entries`. `fallbacks`: those after it, in order.
    `timeout_seconds` None: the menu waits forever; `runs` then says what Enter would start.
    `hidden`: the menu is not shown while it counts down.
    """

    loader: LoaderName
    head: tuple[Step, ...]
    entries: tuple[Entry, ...]
    default: int | None
    fallbacks: tuple[int, ...]
    timeout_seconds: int | None
    runs: tuple[Run, ...]
    end: End
    reason: str
    hidden: bool = False
    remarks: tuple[str, ...] = ()

    @property
    def started(self) -> Run | None:
        """The run that starts a kernel by itself; None when nothing is started."""
        return self.runs[-1] if self.end is End.STARTS and self.runs else None

    @property
    def first(self) -> Run | None:
        return self.runs[0] if self.runs else None
