"""What is on the screen while several recipes are built side by side."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from imagebuild.cli import summary
from imagebuild.cli.terminal import Segment
from imagebuild.formats.text import printable
from imagebuild.operations.build import BuildResult
from imagebuild.operations.journal import now_utc, stamp

if TYPE_CHECKING:
    from rich.console import Console


class PlainBoard:
    """Every line with its time and its recipe: for pipes, CI logs and files."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._lock = threading.Lock()

    def begin(self, name: str) -> None:
        self.say(name, "started")

    def say(self, name: str, line: str) -> None:
        if line.strip():
            with self._lock:
                print(f"{stamp(now_utc())} {name}: {printable(line)}", file=self._stream, flush=True)

    def end(self, result: BuildResult) -> None:
        """Its own last words have passed by."""

    def close(self) -> None: ...


class QuietBoard:
    """Nothing but why a recipe was not built."""

    def begin(self, name: str) -> None: ...

    def say(self, name: str, line: str) -> None: ...

    def end(self, result: BuildResult) -> None:
        if result.said:
            print(printable(f"{result.name}: {result.said}"), file=sys.stderr, flush=True)

    def close(self) -> None: ...


class LiveBoard:
    """A line for each recipe that is being built, with a clock and what it says; results stay above as they come."""

    def __init__(self, console: Console, output: Path) -> None:
        from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            SpinnerColumn(), TextColumn("{task.fields[name]}", markup=False, style="bold"), TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False), console=console, transient=True,
            redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip
        self._output = output
        self._tasks: dict[str, TaskID] = {}
        self._progress.start()

    def begin(self, name: str) -> None:
        self._tasks[name] = self._progress.add_task("", total=None, name=printable(name))

    def say(self, name: str, line: str) -> None:
        if line.strip() and name in self._tasks:
            self._progress.update(self._tasks[name], description=printable(line.strip()))

    def end(self, result: BuildResult) -> None:
        from rich.text import Text

        if (task := self._tasks.pop(result.name, None)) is not None:
            self._progress.remove_task(task)
        for line in _lines(result, self._output / result.name):
            text = Text.assemble(*((printable(part), style) for part, style in line))
            self._progress.console.print(text, soft_wrap=True, highlight=False)

    def close(self) -> None:
        self._progress.stop()


def _lines(result: BuildResult, folder: Path) -> Sequence[Sequence[Segment]]:
    if result.report is None:
        head: list[Sequence[Segment]] = [[], [(f"{result.name}: ", "bold"), ("not built", "bold red")]]
        return [*head, *([(text, "")] for text in result.said.splitlines())]
    return (summary.unchanged if result.unchanged else summary.block)(result.report, folder, result.seconds)


@contextlib.contextmanager
def choose_board(
    output: Path, *, quiet: bool = False, as_json: bool = False
) -> Iterator[PlainBoard | QuietBoard | LiveBoard]:
    """Live on a terminal that can move its cursor, plain elsewhere (`as_json`: on stderr). `output`: of all results."""
    loud = PlainBoard(sys.stderr) if as_json or quiet else _choose(output)
    board: PlainBoard | QuietBoard | LiveBoard = QuietBoard() if quiet else loud
    try:
        yield board
    finally:
        board.close()


def _choose(output: Path) -> PlainBoard | LiveBoard:
    if sys.stdout.isatty():
        from rich.console import Console

        console = Console()
        if not console.is_dumb_terminal:
            return LiveBoard(console, output)
    return PlainBoard()
