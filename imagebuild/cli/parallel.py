"""`build` of several recipes side by side: each is a process of its own, as a night's are (nightly/supervise.py).

What they share (a tree, the test host) is made once: the cache's locks see to that. Ctrl-C ends every process, and
waits until each has cleaned up after itself.
"""

from __future__ import annotations

import math
import os
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from imagebuild.artifacts.output_directory import REPORT
from imagebuild.cli import summary
from imagebuild.cli.ending import known
from imagebuild.cli.ending import report as say_error
from imagebuild.cli.jobs import Job
from imagebuild.cli.options import PV_GRUB_OPTION
from imagebuild.cli.summary import Row
from imagebuild.cli.terminal import Segment, now_utc, stamp
from imagebuild.errors import OK, Interrupted
from imagebuild.formats.text import printable
from imagebuild.host.memory import available_bytes
from imagebuild.nightly.supervise import run_build
from imagebuild.nightly.work import OWN_PROGRAM, last_words, mark_of, read_report
from imagebuild.nightly.worker import JOB_MEMORY_BYTES

if TYPE_CHECKING:
    from rich.console import Console

    from imagebuild.cli.build import BuildOptions

_STOPPED = Interrupted.exit_code


def at_once(recipes: int, wanted: int) -> int:
    """How many recipes to build side by side. `wanted` 0: one for each core, as far as the memory goes."""
    fitting = wanted or min(len(os.sched_getaffinity(0)), available_bytes() // JOB_MEMORY_BYTES)
    return max(1, min(recipes, fitting))


class Board(Protocol):
    """What is on the screen while several recipes are built. Called from several threads."""

    def begin(self, name: str) -> None: ...
    def say(self, name: str, line: str) -> None: ...
    def end(self, row: Row, lines: Sequence[Sequence[Segment]]) -> None: ...
    def close(self) -> None: ...


@dataclass
class _Run:
    settings: Sequence[str]
    options: BuildOptions
    program: tuple[str, ...]
    board: Board
    stop: threading.Event = field(default_factory=threading.Event)
    failed: threading.Event = field(default_factory=threading.Event)
    broken: OSError | None = None


def build_together(
    jobs: Sequence[Job], settings: Sequence[str], options: BuildOptions, *, program: tuple[str, ...], count: int
) -> list[Row]:
    """Build all, `count` at once; the rows in the order of `jobs`. Raises BrokenPipeError when nobody listens."""
    run = _Run(settings, options, program or OWN_PROGRAM, choose_board())
    try:
        with ThreadPoolExecutor(count, thread_name_prefix="recipe") as pool:
            futures = [pool.submit(_one, run, job) for job in jobs]
            try:
                for future in futures:
                    future.result()
            except BaseException as error:
                run.stop.set()  # leaving the block waits for all threads, and they for their processes
                if known(error) is None:
                    raise
    finally:
        run.board.close()
    if run.broken is not None:
        raise run.broken
    if run.stop.is_set():
        say_error(KeyboardInterrupt())
    return [future.result() for future in futures]


def _one(run: _Run, job: Job) -> Row:
    """One recipe in a process of its own."""
    if run.stop.is_set() or (run.failed.is_set() and not run.options.keep_going):
        return Row(job.name, code=None)
    begin, folder = time.monotonic(), run.options.output / job.name
    before = mark_of(folder / REPORT)

    def tell(line: str) -> None:
        try:
            run.board.say(job.name, line)
        except OSError as error:  # the screen's reader went away: that ends all
            run.broken = error
            run.stop.set()

    run.board.begin(job.name)
    ended = run_build(
        [*run.program, "build", str(job.loaded.path), *_words(run)],
        stage_seconds=math.inf, say=tell, stop=run.stop.is_set,
    )  # fmt: skip
    code = ended.exit_code if ended.exit_code >= 0 else _STOPPED
    fresh = mark_of(folder / REPORT) != before
    report = read_report(folder / REPORT) if fresh or code == OK else None
    row = Row(job.name, code, report, time.monotonic() - begin)
    if code != OK:
        run.failed.set()
    if report is None:
        lines: list[Sequence[Segment]] = [[(text, "")] for text in last_words(ended).splitlines()]
    else:
        lines = list((summary.block if fresh else summary.unchanged)(report, folder, row.seconds))
    run.board.end(row, lines)
    return row


def _words(run: _Run) -> list[str]:
    """The options of `build` once more, for one recipe."""
    options = run.options
    words = ["-o", str(options.output), *(word for setting in run.settings for word in ("--set", setting))]
    words += ["--with", ",".join(options.machines)] if options.machines is not None and options.verify else []
    words += [PV_GRUB_OPTION, str(options.pv_grub)] if options.pv_grub else []
    words += ["--require", options.demand] if options.demand else []
    words += ["--sign-key", str(options.sign_key)] if options.sign_key else []
    flags = {
        "--no-verify": not options.verify, "--force": options.force, "--locked": options.locked,
        "--debug": options.debug,
    }  # fmt: skip
    return words + [flag for flag, given in flags.items() if given]


class PlainBoard:
    """Every line with its time and its recipe: for pipes, CI logs and files."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def begin(self, name: str) -> None:
        self.say(name, "begun")

    def say(self, name: str, line: str) -> None:
        if line.strip():
            with self._lock:
                print(f"{stamp(now_utc())} {name}: {printable(line)}", flush=True)

    def end(self, row: Row, lines: Sequence[Sequence[Segment]]) -> None:
        """Its own last words have passed by."""

    def close(self) -> None: ...


class LiveBoard:
    """A line for each recipe that is being built, with a clock and what it says; results stay above as they come."""

    def __init__(self, console: Console) -> None:
        from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            SpinnerColumn(), TextColumn("{task.fields[name]}", markup=False, style="bold"), TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False), console=console, transient=True,
            redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip
        self._tasks: dict[str, TaskID] = {}
        self._progress.start()

    def begin(self, name: str) -> None:
        self._tasks[name] = self._progress.add_task("", total=None, name=printable(name))

    def say(self, name: str, line: str) -> None:
        if line.strip() and name in self._tasks:
            self._progress.update(self._tasks[name], description=printable(line.strip()))

    def end(self, row: Row, lines: Sequence[Sequence[Segment]]) -> None:
        from rich.text import Text

        if (task := self._tasks.pop(row.name, None)) is not None:
            self._progress.remove_task(task)
        head = [] if row.report else [[], [(f"{row.name}: ", "bold"), ("not built", "bold red")]]
        for line in [*head, *lines]:
            text = Text.assemble(*((printable(part), style) for part, style in line))
            self._progress.console.print(text, soft_wrap=True, highlight=False)

    def close(self) -> None:
        self._progress.stop()


def choose_board() -> Board:
    """Live on a terminal that can move its cursor, plain elsewhere."""
    if sys.stdout.isatty():
        from rich.console import Console

        console = Console()
        if not console.is_dumb_terminal:
            return LiveBoard(console)
    return PlainBoard()
