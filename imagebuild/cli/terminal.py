"""What a user sees while a build runs: a live display on a terminal, timestamped lines in a pipe, a log file always."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

from imagebuild.cli.text import duration, printable
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
    """A spinner and a clock for each stage that runs; finished stages and notes stay above it as lines."""

    def __init__(self, console: Console) -> None:
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn(),
            console=console, transient=True, redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip
        self._running: dict[str, int] = {}
        self._progress.start()

    def stage_started(self, name: str) -> None:
        self._running[name] = self._progress.add_task(printable(name), total=None)

    def stage_finished(self, stage: Stage) -> None:
        self._remove(stage.name)
        self._print(f"✓ {stage.name}", f"  {_done(stage)}", style="green")

    def note(self, line: str) -> None:
        word, _, rest = line.partition(" ")
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
            self._file.write(f"{stamp(self._now())} {part}\n")
        self._file.flush()

    def close(self) -> None:
        with contextlib.suppress(OSError):  # a full disk has been reported by the write before
            self._file.close()


class Watcher:
    """The Progress of the command line: screen and log file. Safe to call from several threads."""

    def __init__(self, display: Display, log: LogFile) -> None:
        self._display = display
        self._log = log
        self._lock = threading.Lock()

    def stage_started(self, name: str) -> None:
        with self._lock:
            self._log.line(f"stage {name}: started")
            self._display.stage_started(name)

    def stage_finished(self, stage: Stage) -> None:
        with self._lock:
            self._log.line(f"stage {stage.name}: {_done(stage)}")
            self._display.stage_finished(stage)

    def log(self, line: str) -> None:
        with self._lock:
            self._log.line(line)

    def note(self, line: str) -> None:
        with self._lock:
            self._log.line(line)
            self._display.note(line)


def choose_display(stream: TextIO | None = None) -> Display:
    """Live on a terminal that can move its cursor, plain elsewhere."""
    stream = stream or sys.stdout
    if stream.isatty():
        from rich.console import Console

        console = Console(file=stream)
        if not console.is_dumb_terminal:
            return LiveDisplay(console)
    return PlainDisplay(stream)


@contextlib.contextmanager
def watching(log_path: Path, display: Display) -> Iterator[Watcher]:
    """Screen and log file for one run; both are closed at its end, whatever ends it."""
    log = LogFile(log_path)
    try:
        yield Watcher(display, log)
    finally:
        display.close()
        log.close()


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _done(stage: Stage) -> str:
    return f"{duration(stage.seconds)}" + (", cached" if stage.cached else "")
