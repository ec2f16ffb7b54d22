"""Progress as data, while it happens: stages, notes and log lines, and who hears of them.

Processes of ours tell one another of it in JSON lines, an `Event` each, on a descriptor of its own: `EventWriter` here,
`read_event` there (operations/child.py).
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Annotated, Literal, Protocol, TextIO, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from imagebuild.report import Outcome, Stage

# The environment variable in which a process of ours finds the number of that descriptor.
EVENTS_VARIABLE = "IMAGEBUILD_EVENTS_DESCRIPTOR"


class Screen(Protocol):
    """Whatever shows progress to a person."""

    def stage_started(self, name: str) -> None: ...

    def stage_finished(self, stage: Stage) -> None: ...

    def note(self, line: str, outcome: Outcome | None = None) -> None:
        """A line that the user should see now, and that also goes to the log: a milestone; or with `outcome` what a
        check found, which the line begins with."""
        ...


@runtime_checkable
class Talkative(Protocol):
    """A screen that shows the log's lines, too (`--verbose`)."""

    def log(self, line: str) -> None: ...


class Progress(Screen, Protocol):
    """Whoever watches a build. The command line draws it, the tests record it, pipelines log it."""

    def log(self, line: str) -> None:
        """A line for the log file: commands, their output, decisions. Never a secret."""
        ...


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")  # of a later version is still read


class StageStarted(_Event):
    event: Literal["stage-started"] = "stage-started"
    name: str


class StageFinished(_Event):
    event: Literal["stage-finished"] = "stage-finished"
    stage: Stage


class Note(_Event):
    event: Literal["note"] = "note"
    line: str
    outcome: Outcome | None = None


class Failed(_Event):
    """An error ended the run, or stood in the way of a verdict. `lines` are what the user sees of it.

    `network`: the words of a foreign program that blame the network; `disk_full`: there was no space left.
    """

    event: Literal["failed"] = "failed"
    exit_code: int
    lines: tuple[str, ...]
    network: str = ""
    disk_full: bool = False


Event = StageStarted | StageFinished | Note | Failed
_EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="event")])


def read_event(line: bytes) -> Event | None:
    """An event from its line; None: it is none."""
    try:
        return _EVENT.validate_json(line)
    except ValidationError:
        return None


class EventWriter:
    """A screen for another process of ours: every event as a line of JSON."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def stage_started(self, name: str) -> None:
        self.write(StageStarted(name=name))

    def stage_finished(self, stage: Stage) -> None:
        self.write(StageFinished(stage=stage))

    def note(self, line: str, outcome: Outcome | None = None) -> None:
        self.write(Note(line=line, outcome=outcome))

    def write(self, event: Event) -> None:
        with self._lock:
            self._stream.write(event.model_dump_json() + "\n")
            self._stream.flush()


class Quiet:
    """A Progress that shows nothing and remembers the stages: for tests and for library use."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []
        self.lines: list[str] = []

    def stage_started(self, name: str) -> None:
        pass

    def stage_finished(self, stage: Stage) -> None:
        self.stages.append(stage)

    def log(self, line: str) -> None:
        self.lines.append(line)

    def note(self, line: str, outcome: Outcome | None = None) -> None:
        self.lines.append(line)


class StageMark:
    """Handed to the body of `stage()`; set `cached` when the work was found done."""

    def __init__(self) -> None:
        self.cached = False


@contextlib.contextmanager
def stage(progress: Progress, name: str) -> Iterator[StageMark]:
    """Time a block as one stage. A stage that raises is not reported as finished."""
    mark = StageMark()
    progress.stage_started(name)
    begin = time.monotonic()
    yield mark
    progress.stage_finished(Stage(name=name, seconds=round(time.monotonic() - begin, 3), cached=mark.cached))
