"""One verification while it goes on: what its parts share, and what is concluded from them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from imagebuild.events import Progress
from imagebuild.host.cache import Cache
from imagebuild.image.subject import Subject
from imagebuild.report import BOOT_CHECK, Boot, Check, Outcome, Stage, Verdict, verdict_of
from imagebuild.testhost import TestHost
from imagebuild.verify.boot import Pace
from imagebuild.verify.request import Request
from imagebuild.vocabulary import Accelerator, MachineName


@dataclass
class Run:
    """What the parts of one verification share. `machines`: those asked for, or claimed by the image; `undecided` maps
    one to why it could not judge, `again` are boots that a slow machine left open: one more try each, when nothing else
    runs."""

    request: Request
    machines: tuple[MachineName, ...]
    cache: Cache
    progress: Progress
    host: TestHost
    subject: Subject
    scratch: Path
    accelerator: Accelerator
    pace: Pace = field(default_factory=Pace)
    stop: threading.Event = field(default_factory=threading.Event)
    stages: list[Stage] = field(default_factory=list)
    checks: dict[MachineName, list[Check]] = field(default_factory=dict)
    boots: list[Boot] = field(default_factory=list)
    undecided: dict[MachineName, str] = field(default_factory=dict)
    again: list[Callable[[], None]] = field(default_factory=list)


class Recorder:
    """A Progress that keeps the finished stages, too."""

    def __init__(self, progress: Progress, stages: list[Stage]) -> None:
        self._progress = progress
        self._stages = stages
        self.stage_started = progress.stage_started
        self.waiting = progress.waiting
        self.log = progress.log
        self.note = progress.note

    def stage_finished(self, stage: Stage) -> None:
        self._stages.append(stage)
        self._progress.stage_finished(stage)


def judged(run: Run, check: Check) -> None:
    """A check is done: remembered, and told."""
    run.checks.setdefault(check.machine, []).append(check)
    run.progress.note(f"{check.outcome} {check.machine} {check.name}: {check.detail}", check.outcome)


def undecided(run: Run, machine: MachineName, reason: str, check: str = BOOT_CHECK, seconds: float = 0.0) -> None:
    """The machine could not verify, for this reason: its check counts as skipped."""
    run.undecided[machine] = reason
    detail = f"could not verify: {reason}"
    judged(run, Check(machine=machine, name=check, outcome=Outcome.SKIPPED, detail=detail, seconds=seconds))


def conclusion(checks: tuple[Check, ...], undecided: Mapping[MachineName, str]) -> tuple[Verdict, str]:
    """The verdict, and why it is unverified (else empty)."""
    verdict = verdict_of(checks)
    if verdict is not Verdict.FAILED and undecided:
        return Verdict.UNVERIFIED, "; ".join(f"{machine}: {why}" for machine, why in undecided.items())
    if verdict is Verdict.UNVERIFIED:
        details = "; ".join(f"{check.machine}: {check.detail}" for check in checks)
        return verdict, details or "no check was requested"
    return verdict, ""
