"""What a user sees while a build runs: a live display on a terminal, timestamped lines in a pipe, a log file always."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

from imagebuild.formats.text import duration, printable
from imagebuild.report import Stage

if TYPE_CHECKING:
    from rich.console import Console

Now = Callable[[], datetime]


def now_utc() -> datetime:
    return datetime.now(UTC)


class Display(Protocol):
    """What is on the screen. `close` is called once, whatever ended the run."""

    def stage_started(self, name: str) -> None: ...
    def stage_finished(self, stage: Stage) -> None: ...
    def note(self, line: str) -> None: ...
    def close(self) -> None: ...


class PlainDisplay:
    """Timestamped lines: for pipes, CI logs and files."""

    def __init__(self, stream: TextIO, now: Now = now_utc) -> None:
        self._stream = stream
        self._now = now

    def stage_started(self, name: str) -> None:
        self._line(f"{name} …")

    def stage_finished(self, stage: Stage) -> None:
        self._line(f"{stage.name}: {_done(stage)}")

    def note(self, line: str) -> None:
        self._line(line)

    def close(self) -> None:
        pass

    def _line(self, text: str) -> None:
        print(f"{stamp(self._now())} {printable(text)}", file=self._stream, flush=True)


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
        self._print(f"{mark} {stage.name}", f"  {_done(stage)}", style=style)

    def note(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        self._failed = self._failed or word == "failed"
        style = {"passed": "green", "failed": "bold red", "warned": "yellow", "skipped": "dim"}.get(word)
        self._print("  " + word if style else "  ", f" {rest}" if style else line, style=style or "")

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


class LogFile:
    """Every line of a run, with its time. Opened anew for each run: the log tells of the last one."""

    def __init__(self, path: Path, now: Now = now_utc) -> None:
        self.path = path
        self._now = now
        self._file = path.open("w", encoding="utf-8", errors="backslashreplace")

    def line(self, text: str) -> None:
        for part in text.splitlines() or [""]:
            self._file.write(f"{stamp(self._now())} {printable(part)}\n")
        self._file.flush()

    def close(self) -> None:
        with contextlib.suppress(OSError):  # a full disk has been reported by the write before
            self._file.close()


class Watcher:
    """The Progress of the command line: screen and log file. Safe to call from several threads.

    What cannot be written (a full disk, a reader that went away) ends the run, but only the main thread can do
    that: an error on another thread (a console, a tool's output) is kept and raised at the main thread's next call.
    """

    def __init__(self, display: Display, log: LogFile | None = None) -> None:
        self._display = display
        self._log = log
        self._lock = threading.RLock()  # reentrant: a signal's handler may run in the middle of a call
        self._failure: OSError | None = None
        self.stages: list[Stage] = []

    def stage_started(self, name: str) -> None:
        self._write(f"stage {name}: started", lambda: self._display.stage_started(name))

    def stage_finished(self, stage: Stage) -> None:
        self.stages.append(stage)
        self._write(f"stage {stage.name}: {_done(stage)}", lambda: self._display.stage_finished(stage))

    def log(self, line: str) -> None:
        self._write(line, lambda: None)

    def note(self, line: str) -> None:
        self._write(line, lambda: self._display.note(line))

    def _write(self, line: str, show: Callable[[], None]) -> None:
        with self._lock:
            try:
                if self._log:
                    self._log.line(line)
                show()
            except OSError as error:
                self._failure = self._failure or error
            if self._failure and threading.current_thread() is threading.main_thread():
                failure, self._failure = self._failure, None
                raise failure


def choose_display(stream: TextIO | None = None, *, transient: bool = False) -> Display:
    """Live on a terminal that can move its cursor, plain elsewhere."""
    stream = stream or sys.stdout
    if stream.isatty():
        from rich.console import Console

        console = Console(file=stream)
        if not console.is_dumb_terminal:
            return LiveDisplay(console, transient=transient)
    return PlainDisplay(stream)


@contextlib.contextmanager
def showing(display: Display) -> Iterator[Display]:
    """A display for the block's length: whatever ends the block, the screen is ready for plain lines after it."""
    try:
        yield display
    finally:
        with contextlib.suppress(OSError):  # a terminal that went away
            display.close()


@contextlib.contextmanager
def watching(stream: TextIO | None = None, *, transient: bool = False) -> Iterator[Watcher]:
    """The Progress for a block that has no log file."""
    with showing(choose_display(stream, transient=transient)) as display:
        yield Watcher(display)


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


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _done(stage: Stage) -> str:
    return f"{duration(stage.seconds)}" + (", cached" if stage.cached else "")
