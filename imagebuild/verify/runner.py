"""Verifies one image: static checks and boots side by side, one verdict. Start here: `verify_image`.

The static checks run on the calling thread, each boot on its own. That an image is bad is a failed check. That nothing
decisive was seen (a limit, a fault of the machine that should have judged) is a skipped one, and leaves the image
unverified: a busy computer must not turn a good image into a bad one.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from imagebuild.bootloaders.table import LOADERS
from imagebuild.errors import VerifyError
from imagebuild.events import Progress, stage
from imagebuild.host import command
from imagebuild.host.acceleration import PACKAGE, PROGRAM, accelerator
from imagebuild.host.cache import Cache
from imagebuild.host.digest import image_sha256
from imagebuild.host.scratch import scratch_folder
from imagebuild.image.boot_code import claimed_machines
from imagebuild.image.subject import Subject, open_subject
from imagebuild.report import Boot, BootEnd, Check, ImageFacts, Outcome, Stage, Verdict, verdict_of
from imagebuild.testhost import TestHost, prepare
from imagebuild.verify import fallback, xen
from imagebuild.verify.boot import Pace, outcome_of
from imagebuild.verify.console import Ending
from imagebuild.verify.evidence import stops_grub_097, unknown_menu
from imagebuild.verify.firmware import PcBoot, boot_as_pc
from imagebuild.verify.qemu import QemuBoot, boot_under_qemu
from imagebuild.verify.request import BootSettings, Request, Verification
from imagebuild.verify.static import run_static
from imagebuild.verify.tasks import NoBoot, at_once, pc_task, pvh_task, qemu_task, xen_task
from imagebuild.verify.threads import threads, wait_for
from imagebuild.verify.xen import XenBoot
from imagebuild.vocabulary import MACHINES, Accelerator, MachineName

__all__ = ["BootSettings", "Request", "Verification", "verify_image"]

BOOT_CHECK = "boot"
FALLBACK_CHECK = "fallback"


@dataclass
class _Run:
    """What the parts of one verification share. `machines`: those asked for, or claimed by the image; `undecided` maps
    one to why it could not judge."""

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


def verify_image(request: Request, *, cache: Cache, progress: Progress) -> Verification:
    """Verify the image on the machines that are asked for; the image is never written.

    Raises VerifyError or HostError when there is nothing to judge by: no image that can be opened, no test host, no
    QEMU, no genuine PV-GRUB where one was named; and KeyboardInterrupt, with nothing left behind.
    """
    stages: list[Stage] = []
    with stage(_Recorder(progress, stages), "Xen test host") as mark:
        host, mark.cached = prepare(cache, progress)
    accel: Accelerator = "tcg"
    if request.machines != ("static",):
        command.require(PROGRAM, PACKAGE)
        accel = accelerator(cache)
    with (
        scratch_folder() as folder,
        open_subject(request.image, host.tools, folder) as subject,
    ):
        machines = request.machines or claimed_machines(subject)
        run = _Run(request, machines, cache, progress, host, subject, folder, accel, stages=stages)
        before = _carry_out(run)
    return _result(run, before)


def _carry_out(run: _Run) -> str:
    """All machines; returns the image's sha256, which is the same before and after."""
    image = run.request.image
    with threads(run.stop) as start:
        boots = [start(job) for job in _boot_jobs(run)]
        hashing = start(lambda: run.request.sha256 or image_sha256(image, run.stop))
        if "static" in run.machines:
            _static(run)
        wait_for([hashing, *boots])
        before = hashing.result()
        with stage(_Recorder(run.progress, run.stages), "image unchanged"):
            again = start(lambda: image_sha256(image, run.stop))
            wait_for([again])
    if before != again.result():
        raise VerifyError(
            f"{image} changed while it was verified",
            details=f"sha256 before: {before}\nsha256 after:  {again.result()}",
            resolution="verify it again while nothing else writes to it",
        )
    return before


def _boot_jobs(run: _Run) -> list[Callable[[], None]]:
    """What each boot thread does: the next boot that is left, and the next, in as many threads as fit at once."""
    jobs = deque(_boots(run))
    lanes = at_once(run.request, run.machines)
    if len(jobs) > 1 and lanes == 1:
        run.progress.log("one boot after the other: too few processors or too little memory for two at once")

    def lane() -> None:
        while (job := _next(jobs)) is not None:
            job()

    return [lane] * min(lanes, len(jobs))


def _boots(run: _Run) -> Iterator[Callable[[], None]]:
    """The boots to do; where a machine has none, a check says why."""
    subject, request, shared = run.subject, run.request, (run.host, run.cache, run.progress)
    for machine in run.machines:
        match machine:
            case "static":
                continue
            case "qemu":
                task: QemuBoot | XenBoot | PcBoot | NoBoot = qemu_task(subject, request)
            case "xen":
                task = xen_task(subject, request, *shared)
            case "pvh":
                task = pvh_task(subject, request, *shared)
            case "bios" | "uefi":
                task = pc_task(subject, request, machine)
        match task:
            case NoBoot():
                _has_none(run, machine, task)
            case QemuBoot():
                yield functools.partial(_boot_qemu, run, task)
            case XenBoot():
                case = _fallback_case(run, task) if machine == "xen" else None
                yield functools.partial(_boot_xen, run, task, case)
            case PcBoot():
                yield functools.partial(_boot_pc, run, task)


def _has_none(run: _Run, machine: MachineName, why: NoBoot) -> None:
    if why.outcome is None:
        _undecided(run, machine, why.reason)
    else:
        _judged(run, Check(machine=machine, name=BOOT_CHECK, outcome=why.outcome, detail=why.reason))


def _next(jobs: deque[Callable[[], None]]) -> Callable[[], None] | None:
    try:
        return jobs.popleft()
    except IndexError:  # another thread has taken the last one
        return None


def _static(run: _Run) -> None:
    with stage(_Recorder(run.progress, run.stages), "static checks"):
        result = run_static(run.subject, run.progress, run.request.loader, strict=run.request.strict_fallback)
        run.checks["static"] = list(result.checks)
        if result.unheard:
            run.undecided["static"] = "; ".join(dict.fromkeys(result.unheard))
        elif LOADERS[run.request.loader].is_grub_097 and (reason := unknown_menu(run.subject)):
            run.undecided["static"] = reason
    for check in result.checks:
        if check.outcome in (Outcome.FAILED, Outcome.WARNED):
            run.progress.note(f"{check.outcome} static {check.name}: {check.detail}", check.outcome)


def _boot_qemu(run: _Run, task: QemuBoot) -> None:
    with _booting(run, "qemu") as (note, scratch):
        boot, ending = boot_under_qemu(task, run.accelerator, run.request.output, scratch, run.pace, note, run.stop)
        _judge_boot(run, boot, ending)


def _boot_pc(run: _Run, task: PcBoot) -> None:
    with _booting(run, task.firmware.machine) as (note, _scratch):
        boot, ending = boot_as_pc(task, run.accelerator, run.request.output, run.pace, note, run.stop)
        _judge_boot(run, boot, ending)


def _fallback_case(run: _Run, task: XenBoot) -> fallback.Case | str | None:
    """As fallback.case_of; None as well where no loader reads the menu, or the proof was not asked for."""
    if not run.request.fallback or task.loader.is_kernel:
        return None
    return fallback.case_of(run.subject)


def _boot_xen(run: _Run, task: XenBoot, case: fallback.Case | str | None) -> None:
    """The image as it is, and when that came up, with its default entry broken."""
    host = xen.XenHost(run.host, run.accelerator, run.cache, run.pace, run.stop)
    with _booting(run, task.guest.machine) as (note, scratch):
        boot, ending = xen.boot_under_xen(task, host, run.request.output, scratch, note)
        _judge_boot(run, boot, ending)
    if isinstance(case, str):
        _judged(run, Check(machine="xen", name=FALLBACK_CHECK, outcome=Outcome.SKIPPED, detail=case))
    elif case is not None and "xen" not in run.undecided and boot.end is BootEnd.REACHED:
        with _booting(run, "xen", FALLBACK_CHECK) as (note, scratch):
            overlay = fallback.broken_overlay(run.subject.raw, case, scratch)
            broken = replace(task, image=overlay, proves="fallback")
            boot, ending = xen.boot_under_xen(broken, host, run.request.output, scratch, note)
            if boot.end is BootEnd.REACHED:
                console = (run.request.output / boot.console).read_bytes()
                boot = boot.model_copy(update={"detail": fallback.judged(boot, case, console)})
            _judge_boot(run, boot, ending)


@contextlib.contextmanager
def _booting(
    run: _Run, machine: MachineName, check: str = BOOT_CHECK
) -> Iterator[tuple[Callable[[str, float], None], Path]]:
    """A boot as a stage: what to tell of its milestones, and a folder for its files. A machine that could not be run
    leaves the image unverified; other machines go on."""
    words = machine if check == BOOT_CHECK else f"{machine} {check}"

    def note(milestone: str, seconds: float) -> None:
        run.progress.note(f"{words}: {milestone} after {seconds:.1f} s")

    folder = run.scratch / words
    folder.mkdir()
    try:
        with stage(_Recorder(run.progress, run.stages), f"{words} boot"):
            yield note, folder
    except VerifyError as error:
        run.progress.log(f"{words}: {error.brief}: {error.details}")
        _undecided(run, machine, error.brief, check)


def _judge_boot(run: _Run, boot: Boot, ending: Ending) -> None:
    run.boots.append(boot)
    name = BOOT_CHECK if boot.proves == "default" else FALLBACK_CHECK
    verdict = outcome_of(boot, ending)
    if (
        verdict is Outcome.PASSED
        and boot.machine == "xen"
        and boot.loader.kind == "stand-in"
        and (stops := stops_grub_097(run.subject, run.request.loader))
    ):
        reason = f"the stand-in boots it, which is no evidence: it forgives what GRUB 0.97 does not ({stops})"
        _undecided(run, boot.machine, reason, name, boot.seconds)
        return
    if verdict is None:
        _undecided(run, boot.machine, boot.detail, name, boot.seconds)
        return
    detail = f"{boot.detail} (loader: {boot.loader.kind}, {boot.loader.version})"
    check = Check(machine=boot.machine, name=name, outcome=verdict, detail=detail, seconds=boot.seconds)
    _judged(run, check)


def _judged(run: _Run, check: Check) -> None:
    run.checks.setdefault(check.machine, []).append(check)
    run.progress.note(f"{check.outcome} {check.machine} {check.name}: {check.detail}", check.outcome)


def _undecided(run: _Run, machine: MachineName, reason: str, check: str = BOOT_CHECK, seconds: float = 0.0) -> None:
    run.undecided[machine] = reason
    detail = f"could not verify: {reason}"
    _judged(run, Check(machine=machine, name=check, outcome=Outcome.SKIPPED, detail=detail, seconds=seconds))


def _result(run: _Run, sha256: str) -> Verification:
    image = run.request.image
    checks = tuple(check for machine in MACHINES for check in run.checks.get(machine, ()))
    verdict = verdict_of(checks)
    reason = ""
    if verdict is not Verdict.FAILED and run.undecided:
        verdict = Verdict.UNVERIFIED
        reason = "; ".join(f"{machine}: {why}" for machine, why in run.undecided.items())
    elif verdict is Verdict.UNVERIFIED:
        reason = "; ".join(f"{check.machine}: {check.detail}" for check in checks) or "no check was requested"
    return Verification(
        image=ImageFacts(
            path=str(image),
            sha256=sha256,
            size_bytes=run.subject.size_bytes,
            real_bytes=image.stat().st_blocks * 512,
        ),
        checks=checks,
        boots=tuple(boot for machine in MACHINES for boot in run.boots if boot.machine == machine),
        stages=tuple(run.stages),
        verdict=verdict,
        unverified_because=reason,
        complete=not run.undecided,
    )


class _Recorder:
    """A Progress that keeps the finished stages, too."""

    def __init__(self, progress: Progress, stages: list[Stage]) -> None:
        self._progress = progress
        self._stages = stages
        self.stage_started = progress.stage_started
        self.log = progress.log
        self.note = progress.note

    def stage_finished(self, stage: Stage) -> None:
        self._stages.append(stage)
        self._progress.stage_finished(stage)
