"""Progress as data, while it happens: stages, notes and log lines, and who hears of them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Protocol

from imagebuild.report import Stage


class Progress(Protocol):
    """Whoever watches a build. The command line draws it, the tests record it, pipelines log it."""

    def stage_started(self, name: str) -> None: ...

    def stage_finished(self, stage: Stage) -> None: ...

    def log(self, line: str) -> None:
        """A line for the log file: commands, their output, decisions. Never a secret."""
        ...

    def note(self, line: str) -> None:
        """A line that the user should see now, and that also goes to the log (a milestone, a check's outcome)."""
        ...


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

    def note(self, line: str) -> None:
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
