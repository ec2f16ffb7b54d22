"""What a user sees while a build runs: a live display on a terminal, timestamped lines in a pipe."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, TextIO

from imagebuild.events import EVENTS_VARIABLE, EventWriter, Screen
from imagebuild.formats.text import printable
from imagebuild.operations.journal import Journal, Now, done_text, now_utc, stamp
from imagebuild.report import Outcome, Stage

if TYPE_CHECKING:
    from rich.console import Console


class Display(Screen, Protocol):
    """What is on the screen. `close` is called once, whatever ended the run."""

    def close(self) -> None: ...


_STYLE = {Outcome.PASSED: "green", Outcome.FAILED: "bold red", Outcome.WARNED: "yellow", Outcome.SKIPPED: "dim"}


class PlainDisplay:
    """Timestamped lines: for pipes, CI logs and files."""

    def __init__(self, stream: TextIO, now: Now = now_utc) -> None:
        self._stream = stream
        self._now = now

    def stage_started(self, name: str) -> None:
        self._line(f"{name} …")

    def stage_finished(self, stage: Stage) -> None:
        self._line(f"{stage.name}: {done_text(stage)}")

    def note(self, line: str, outcome: Outcome | None = None) -> None:
        self._line(line)

    def close(self) -> None:
        pass

    def _line(self, text: str) -> None:
        print(f"{stamp(self._now())} {printable(text)}", file=self._stream, flush=True)


class VerboseDisplay(PlainDisplay):
    """And every line of the log: commands and their output."""

    def log(self, line: str) -> None:
        for part in line.splitlines():
            self._line(part)


class QuietDisplay:
    """Nothing."""

    def stage_started(self, name: str) -> None: ...

    def stage_finished(self, stage: Stage) -> None: ...

    def note(self, line: str, outcome: Outcome | None = None) -> None: ...

    def close(self) -> None: ...


class LiveDisplay:
    """A spinner and a clock for each stage that runs; finished stages and notes stay above it as lines.

    `transient`: they do not stay; for a run whose result says it all.
    """

    def __init__(self, console: Console, *, transient: bool = False) -> None:
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn(),
            console=console, transient=True, redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip
        self._transient = transient
        self._failed = False  # since the last stage ended
        self._running: dict[str, int] = {}
        self._progress.start()

    def stage_started(self, name: str) -> None:
        self._running[name] = self._progress.add_task(printable(name), total=None)

    def stage_finished(self, stage: Stage) -> None:
        self._remove(stage.name)
        mark, style = ("✗", "red") if self._failed else ("✓", "green")
        self._failed = False
        self._print(f"{mark} {stage.name}", f"  {done_text(stage)}", style=style)

    def note(self, line: str, outcome: Outcome | None = None) -> None:
        self._failed = self._failed or outcome is Outcome.FAILED
        head = outcome.value if outcome else ""
        self._print(f"  {head}", line.removeprefix(head), style=_STYLE[outcome] if outcome else "")

    def close(self) -> None:
        for name in list(self._running):  # what still runs at the end did not finish
            self._remove(name)
            self._print(f"✗ {name}", "  not finished", style="red")
        self._progress.stop()

    def _remove(self, name: str) -> None:
        from rich.progress import TaskID

        if (task := self._running.pop(name, None)) is not None:
            self._progress.remove_task(TaskID(task))

    def _print(self, head: str, rest: str, *, style: str) -> None:
        from rich.text import Text

        if self._transient:
            return
        line = Text.assemble((printable(head), style), printable(rest))
        self._progress.console.print(line, soft_wrap=True, highlight=False)


class EventDisplay:
    """Not for a person: this process was started by another of ours, which shows what happens (child.py)."""

    def __init__(self, events: EventWriter) -> None:
        self.stage_started, self.stage_finished, self.note = events.stage_started, events.stage_finished, events.note

    def close(self) -> None:
        pass


class OnDemand:
    """The display that `choose` names, chosen when there is something to show: what is unchanged needs none."""

    def __init__(self, choose: Callable[[], Display]) -> None:
        self._choose = choose
        self._display: Display | None = None

    def stage_started(self, name: str) -> None:
        self._chosen().stage_started(name)

    def stage_finished(self, stage: Stage) -> None:
        self._chosen().stage_finished(stage)

    def note(self, line: str, outcome: Outcome | None = None) -> None:
        self._chosen().note(line, outcome)

    def close(self) -> None:
        if self._display:
            self._display.close()

    def _chosen(self) -> Display:
        if self._display is None:
            self._display = self._choose()
        return self._display


@functools.cache
def event_stream() -> EventWriter | None:
    """Where events go as data, for a process that another of ours has started; else None."""
    number = os.environ.pop(EVENTS_VARIABLE, "")
    if not number:
        return None
    os.set_inheritable(int(number), False)  # the programs that we start are not to hold it open
    return EventWriter(os.fdopen(int(number), "w", encoding="utf-8"))


def choose_display(stream: TextIO | None = None, *, transient: bool = False) -> Display:
    """Live on a terminal that can move its cursor, plain elsewhere; events for another process of ours."""
    if events := event_stream():
        return EventDisplay(events)
    stream = stream or sys.stdout
    if stream.isatty():
        from rich.console import Console

        console = Console(file=stream)
        if not console.is_dumb_terminal:
            return LiveDisplay(console, transient=transient)
    return PlainDisplay(stream)


def display_for(*, quiet: bool = False, verbose: bool = False, as_json: bool = False) -> Display:
    """As the options say; with `--json` progress goes to stderr, so that stdout is the result's."""
    if event_stream():
        return OnDemand(choose_display)
    stream = sys.stderr if as_json else sys.stdout
    if quiet:
        return QuietDisplay()
    return VerboseDisplay(stream) if verbose else OnDemand(lambda: choose_display(stream))


@contextlib.contextmanager
def showing(display: Display) -> Iterator[Display]:
    """A display for the block's length: whatever ends the block, the screen is ready for plain lines after it."""
    try:
        yield display
    finally:
        with contextlib.suppress(OSError):  # a terminal that went away
            display.close()


@contextlib.contextmanager
def watching(stream: TextIO | None = None, *, transient: bool = False) -> Iterator[Journal]:
    """The Progress for a block that has no log file."""
    with showing(choose_display(stream, transient=transient)) as display:
        yield Journal(display)


Segment = tuple[str, str]
"""A piece of a line and its style (rich's words: "bold red"; "" for none)."""


def say(lines: Iterable[Sequence[Segment]], stream: TextIO | None = None) -> None:
    """Print finished lines: coloured on a terminal, plain elsewhere, and never wrapped or interpreted."""
    stream = stream or sys.stdout
    if not stream.isatty():
        for line in lines:
            print("".join(printable(text) for text, _ in line), file=stream)
        stream.flush()
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream)
    for line in lines:
        parts = [(printable(text), style) for text, style in line]
        console.print(Text.assemble(*parts), soft_wrap=True, highlight=False)
