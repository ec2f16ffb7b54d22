"""`imagebuild build` as a process of its own: its command line from a request, its events as they come, its end.

The process says what happens in JSON lines on a descriptor (`EVENTS_VARIABLE` names it): nothing is read out of what it
prints. It is ended when one of its stages takes too long.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from imagebuild.events import EVENTS_VARIABLE, Event, Failed, StageFinished, StageStarted, read_event
from imagebuild.host import command
from imagebuild.operations.jobs import BuildRequest
from imagebuild.operations.journal import event_lines
from imagebuild.recipe.named_file import read_whole
from imagebuild.report import MOST_REPORT_BYTES, Report
from imagebuild.vocabulary import GENUINE

OWN_PROGRAM = (sys.executable, "-m", "imagebuild")
_LOOK_SECONDS = 0.2
_GRACE_SECONDS = 15
_KEPT_BYTES = 2**18
_MESSAGE_LINES = 12


def build_argv(request: BuildRequest) -> list[str]:
    """The command line (without the program) that asks for the same; cli/commands/build.py reads it back."""
    options: dict[str, object] = {
        "--output": request.output,
        "--with": ",".join(request.machines) if request.machines and request.verify else None,
        f"--{GENUINE}": request.pv_grub,
        "--require": request.demand,
        "--sign-key": request.sign_key,
        "--jobs": request.jobs or None,
    }
    flags = {
        "--no-verify": not request.verify,
        "--force": request.force,
        "--update": request.update,
        "--keep-going": request.keep_going,
        "--locked": request.locked,
        "--debug": request.debug,
    }
    argv = ["build", *(f"{name}={value}" for name, value in options.items() if value is not None)]
    argv += [f"--set={name}={value}" for name, value in request.settings.items()]
    argv += [name for name, given in flags.items() if given]
    return [*argv, "--", *map(str, request.recipes)]


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended. `hung` names the stage that took too long, else it is empty. `printed`: the end of what it printed.

    `failed`: what it said about its failure, where it could (a killed process does not).
    """

    exit_code: int
    printed: str
    hung: str = ""
    failed: Failed | None = None
    seconds: float = 0.0

    def last_words(self) -> str:
        """Why it failed, in its own words; else the end of what it printed."""
        lines = list(self.failed.lines) if self.failed else self.printed.splitlines()[-_MESSAGE_LINES:]
        return "\n".join(lines[:_MESSAGE_LINES]) or f"imagebuild build ended with {self.exit_code} without a message"


class Stages:
    """Which stages run, and for how long. The time without a stage counts by itself, and ends with the next stage.

    Events come on one thread, questions on another. Several stages may run at once, of one name, too.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._between: tuple[str, float] | None = ("the beginning", clock())
        self._running: list[tuple[str, float]] = []
        self._lock = threading.Lock()

    def hear(self, event: Event) -> None:
        with self._lock:
            match event:
                case StageStarted():
                    self._between = None
                    self._running.append((event.name, self._clock()))
                case StageFinished():
                    self._end(event.stage.name)
                case _:
                    pass

    def _end(self, name: str) -> None:
        """The first that was begun under that name: of two, the other may still hang."""
        ended = next((entry for entry in self._running if entry[0] == name), None)
        if ended:
            self._running.remove(ended)
        if not self._running:
            self._between = ("between two stages", self._clock())

    def longer_than(self, limit_seconds: float) -> str:
        """The stage that has been running for longer, or an empty text."""
        with self._lock:
            waiting = [self._between] if self._between else []
            for name, began in [*self._running, *waiting]:
                if self._clock() - began > limit_seconds:
                    return name
        return ""


@dataclass
class _Heard:
    """What has come from the process so far; filled on two threads, each with a part of its own."""

    say: Callable[[str], None]
    stages: Stages = field(default_factory=Stages)
    failed: Failed | None = None
    printed: bytearray = field(default_factory=bytearray)

    def print(self, chunk: bytes) -> None:
        self.printed.extend(chunk)
        del self.printed[:-_KEPT_BYTES]

    def hear(self, event: Event) -> None:
        self.stages.hear(event)
        if isinstance(event, Failed):
            self.failed = event  # what it says of it is what it prints
            return
        for line in event_lines(event):
            self.say(line)

    def lines_printed(self) -> list[str]:
        return [line.rstrip("\r") for line in self.printed.decode("utf-8", "replace").split("\n") if line.strip()]


def run_build(
    argv: Sequence[str], *, stage_seconds: float, say: Callable[[str], None], stop: Callable[[], bool] = lambda: False
) -> Ended:
    """Run it to its end. After `stage_seconds` in one stage, or when `stop()` says so, it is asked to end (SIGTERM: it
    cleans up after itself), and killed when it does not. It sees our whole environment: it is imagebuild itself.

    `say` gets a line for each event as it comes, and what it printed (a summary, its errors) when it has ended.
    """
    heard, begin, hung = _Heard(say), time.monotonic(), ""
    with _Channel(heard.hear) as channel:
        environment = dict(os.environ) | {EVENTS_VARIABLE: str(channel.descriptor)}
        with command.running(
            argv, on_bytes=heard.print, environment=environment, by_line=True, descriptors=(channel.descriptor,)
        ) as process:
            channel.handed_over()
            while process.alive():
                hung = heard.stages.longer_than(stage_seconds)
                if hung or stop():
                    _end(process)
                    break
                time.sleep(_LOOK_SECONDS)
            exit_code = process.wait()
    printed = heard.lines_printed()
    for line in printed:
        say(line)
    return Ended(exit_code, "\n".join(printed).strip(), hung, heard.failed, time.monotonic() - begin)


class _Channel:
    """A pipe for a process to write its events into; a thread reads them until the process has ended."""

    def __init__(self, hear: Callable[[Event], None]) -> None:
        self._hear = hear
        self._reading, self.descriptor = os.pipe()
        os.set_inheritable(self.descriptor, True)
        self._ours = True
        self._thread = threading.Thread(target=self._read, name="events", daemon=True)

    def __enter__(self) -> _Channel:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.handed_over()
        self._thread.join(_GRACE_SECONDS)  # no longer: a stranger that the process left behind may hold the pipe

    def handed_over(self) -> None:
        """The process has it: from now on its end is the end of the events."""
        if self._ours:
            self._ours = False
            os.close(self.descriptor)

    def _read(self) -> None:
        with os.fdopen(self._reading, "rb") as stream:
            for line in stream:
                if event := read_event(line):
                    self._hear(event)


def _end(process: command.Running) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE_SECONDS
    while process.alive() and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
    process.kill()


def mark_of(report: Path) -> tuple[int, int, int] | None:
    """What tells this run's report from an older one: `build` puts a new file into its place. No clock is asked."""
    try:
        status = report.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def read_report(path: Path) -> Report | None:
    """The report; None when there is none, or none that can be read."""
    try:
        return Report.model_validate_json(read_whole(path, MOST_REPORT_BYTES))
    except (OSError, ValidationError):
        return None
