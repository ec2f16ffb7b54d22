"""Several recipes at once, each in a process of its own, as a night's are (child.py).

What they share (a tree, the test host) is made once: the cache's locks see to that. Ctrl-C ends every process, and
waits until each has cleaned up after itself.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Protocol

from imagebuild.artifacts.output_directory import REPORT
from imagebuild.errors import OK, Interrupted
from imagebuild.host.memory import available_bytes
from imagebuild.operations.build import BuildResult
from imagebuild.operations.child import OWN_PROGRAM, build_argv, mark_of, read_report, run_build
from imagebuild.operations.failures import known
from imagebuild.operations.jobs import BuildRequest, Job

# Two boots (QEMU and Xen), the appliance and a tree in memory: what one recipe wants at its widest.
JOB_MEMORY_BYTES = 4 * 2**30
_STOPPED = Interrupted.exit_code


def at_once(recipes: int, wanted: int) -> int:
    """How many recipes to build side by side. `wanted` 0: one for each core, as far as the memory goes."""
    fitting = wanted or min(len(os.sched_getaffinity(0)), available_bytes() // JOB_MEMORY_BYTES)
    return max(1, min(recipes, fitting))


class Board(Protocol):
    """What is on the screen while several recipes are built. Called from several threads."""

    def begin(self, name: str) -> None: ...
    def say(self, name: str, line: str) -> None: ...
    def end(self, result: BuildResult) -> None: ...


@dataclass
class _Run:
    request: BuildRequest
    program: tuple[str, ...]
    board: Board
    stop: threading.Event = field(default_factory=threading.Event)
    failed: threading.Event = field(default_factory=threading.Event)
    broken: OSError | None = None


def build_side_by_side(
    jobs: Sequence[Job], request: BuildRequest, board: Board, *, program: tuple[str, ...], count: int
) -> tuple[list[BuildResult], bool]:
    """Build all, `count` at once; the results in the order of `jobs`, and whether Ctrl-C has ended them.

    Raises BrokenPipeError when nobody listens.
    """
    run = _Run(request, program or OWN_PROGRAM, board)
    with ThreadPoolExecutor(count, thread_name_prefix="recipe") as pool:
        futures = [pool.submit(_one, run, job) for job in jobs]
        try:
            for future in futures:
                future.result()
        except BaseException as error:
            run.stop.set()  # leaving the block waits for all threads, and they for their processes
            if known(error) is None:
                raise
    if run.broken is not None:
        raise run.broken
    return [future.result() for future in futures], run.stop.is_set()


def _one(run: _Run, job: Job) -> BuildResult:
    """One recipe in a process of its own."""
    if run.stop.is_set() or (run.failed.is_set() and not run.request.keep_going):
        return BuildResult(job.name, code=None)
    begin, report_path = time.monotonic(), run.request.output / job.name / REPORT
    before = mark_of(report_path)
    run.board.begin(job.name)
    request = replace(run.request, recipes=(job.loaded.path,), keep_going=False, jobs=0)
    ended = run_build(
        [*run.program, *build_argv(request)], stage_seconds=math.inf,
        say=lambda line: _say(run, job.name, line), stop=run.stop.is_set,
    )  # fmt: skip
    code = ended.exit_code if ended.exit_code >= 0 else _STOPPED
    fresh = mark_of(report_path) != before
    report = read_report(report_path) if fresh or code == OK else None
    said = "" if report else ended.last_words()
    result = BuildResult(job.name, code, report, time.monotonic() - begin, unchanged=not fresh, said=said)
    if code != OK:
        run.failed.set()
    run.board.end(result)
    return result


def _say(run: _Run, name: str, line: str) -> None:
    try:
        run.board.say(name, line)
    except OSError as error:  # the screen's reader went away: that ends all
        run.broken = error
        run.stop.set()
