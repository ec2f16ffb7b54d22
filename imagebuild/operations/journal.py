"""Progress to a screen and into a log file, from several threads; and events as lines."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import assert_never

from imagebuild.events import Event, Failed, Note, Screen, StageFinished, StageStarted, Talkative
from imagebuild.formats.text import duration, printable
from imagebuild.report import Outcome, Stage

Now = Callable[[], datetime]


def now_utc() -> datetime:
    return datetime.now(UTC)


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def done_text(stage: Stage) -> str:
    """How long a stage took: "1 min 23 s, cached"."""
    return duration(stage.seconds) + (", cached" if stage.cached else "")


def event_lines(event: Event) -> list[str]:
    """An event for somebody who reads lines."""
    match event:
        case StageStarted():
            return [f"{event.name} …"]
        case StageFinished():
            return [f"{event.stage.name}: {done_text(event.stage)}"]
        case Note():
            return [event.line]
        case Failed():
            return list(event.lines)
        case _:
            assert_never(event)


class LogFile:
    """Every line of a run, with its time. Each run starts a new one: the log tells of the last run."""

    def __init__(self, path: Path, now: Now = now_utc) -> None:
        self.path = path
        self._now = now
        self._file = path.open("w", encoding="utf-8", errors="backslashreplace")

    def line(self, text: str) -> None:
        for part in text.splitlines() or [""]:
            self._file.write(f"{stamp(self._now())} {printable(part)}\n")
        self._file.flush()

    def last_lines(self, lines: list[str]) -> None:
        """What may fail without a word: a full disk has no space for its own error."""
        with contextlib.suppress(OSError, ValueError):
            for line in lines:
                self.line(line)

    def close(self) -> None:
        with contextlib.suppress(OSError):  # a full disk has been reported by the write before
            self._file.close()


@contextlib.contextmanager
def log_file(path: Path) -> Iterator[LogFile]:
    log = LogFile(path)
    try:
        yield log
    finally:
        log.close()


class Journal:
    """A Progress to a screen and into a log file, which remembers the stages. Safe to call from several threads.

    What cannot be written (a full disk, a reader that went away) ends the run, but only the main thread can do
    that: an error on another thread (a console, a tool's output) is kept and raised at the main thread's next call.
    """

    def __init__(self, screen: Screen, log: LogFile | None = None) -> None:
        self._screen = screen
        self._log = log
        self._lock = threading.RLock()  # reentrant: a signal's handler may run in the middle of a call
        self._failure: OSError | None = None
        self.stages: list[Stage] = []

    def stage_started(self, name: str) -> None:
        self._write(f"stage {name}: started", lambda: self._screen.stage_started(name))

    def stage_finished(self, stage: Stage) -> None:
        self.stages.append(stage)
        self._write(f"stage {stage.name}: {done_text(stage)}", lambda: self._screen.stage_finished(stage))

    def log(self, line: str) -> None:
        self._write(line, lambda: self._screen.log(line) if isinstance(self._screen, Talkative) else None)

    def note(self, line: str, outcome: Outcome | None = None) -> None:
        self._write(line, lambda: self._screen.note(line, outcome))

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
