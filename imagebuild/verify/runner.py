"""Verifies one image: static checks and boots side by side, one verdict. Start here: `verify_image`.

The static checks run on the calling thread, each boot on its own. That an image is bad is a failed check. That nothing
decisive was seen (a limit, a fault of the machine that should have judged) is a skipped one, and leaves the image
unverified: a busy computer must not turn a good image into a bad one.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
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
from imagebuild.host.memory import available_bytes
from imagebuild.host.scratch import scratch_folder
from imagebuild.image.boot_files import NoEntry, default_entry_files
from imagebuild.image.menu_runs import trace_of
from imagebuild.image.subject import Subject, open_subject
from imagebuild.report import Boot, BootEnd, Check, ImageFacts, Outcome, Stage, Verdict, verdict_of
from imagebuild.testhost import TestHost, prepare
from imagebuild.verify import fallback, xen
from imagebuild.verify.boot import Pace, outcome_of
from imagebuild.verify.console import Ending
from imagebuild.verify.evidence import entry_stops, stops_grub_097, unknown_menu
from imagebuild.verify.guest_start import loader_for, why_not_under_xen
from imagebuild.verify.qemu import QemuBoot, boot_under_qemu, why_not
from imagebuild.verify.request import BootSettings, Request, Verification
from imagebuild.verify.static import run_static
from imagebuild.verify.threads import threads, wait_for
from imagebuild.vocabulary import MACHINES, Accelerator, MachineName

__all__ = ["BootSettings", "Request", "Verification", "verify_image"]

BOOT_CHECK = "boot"
FALLBACK_CHECK = "fallback"
# What must be left for everybody else when two machines run at once.
_SPARE_MEMORY_BYTES = 512 * 2**20
_QEMU_OVERHEAD_BYTES = 256 * 2**20


@dataclass
class _Run:
    """What the parts of one verification share; `undecided` maps a machine to why it could not judge."""

    request: Request
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
        run = _Run(request, cache, progress, host, subject, folder, accel, stages=stages)
        before = _carry_out(run)
    return _result(run, before)


def _carry_out(run: _Run) -> str:
    """All machines; returns the image's sha256, which is the same before and after."""
    image = run.request.image
    with threads(run.stop) as start:
        boots = [start(job) for job in _boot_jobs(run)]
        hashing = start(lambda: run.request.sha256 or image_sha256(image, run.stop))
        if "static" in run.request.machines:
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
    """What each boot thread does: one boot each where both fit at once, else one thread that does both.

    What a boot needs from the image is read here: the subject's readers are one thread's.
    """
    jobs: list[Callable[[], None]] = []
    if "xen" in run.request.machines and (reason := why_not_under_xen(default_entry_files(run.subject))):
        _undecided(run, "xen", reason)
    elif "xen" in run.request.machines:
        task = _xen_task(run)
        jobs.append(functools.partial(_boot_xen, run, task, _fallback_case(run, task)))
    if "qemu" in run.request.machines and (direct := _qemu_task(run)):
        jobs.append(functools.partial(_boot_qemu, run, direct))
    if len(jobs) > 1 and not _fit_side_by_side(run.request):
        run.progress.log("boots run one after the other: too few processors or too little memory for two")

        def all_of_them() -> None:
            for job in jobs:
                job()

        return [all_of_them]
    return jobs


def _fit_side_by_side(request: Request) -> bool:
    needed = xen.machine_memory_bytes(request.xen.memory_bytes) + request.qemu.memory_bytes + _QEMU_OVERHEAD_BYTES
    return len(os.sched_getaffinity(0)) >= 2 and available_bytes() >= needed + _SPARE_MEMORY_BYTES


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


def _qemu_task(run: _Run) -> QemuBoot | None:
    """The boot to do, or None, with a check that says why there is none."""
    settings = run.request.qemu
    if reason := unknown_menu(run.subject):
        _undecided(run, "qemu", reason)
        return None
    files = default_entry_files(run.subject)
    stops = files.reason if isinstance(files, NoEntry) else entry_stops(run.subject, run.request.loader)
    if isinstance(files, NoEntry) or stops:
        reason = f"the image's menu names nothing that can be started: {stops}"
        _judged(run, Check(machine="qemu", name=BOOT_CHECK, outcome=Outcome.FAILED, detail=reason))
        return None
    task = QemuBoot(
        run.subject.raw, files.kernel, files.initrd, files.command_line,
        settings.memory_bytes, settings.timeout_seconds, settings.expect,
    )  # fmt: skip
    if reason := why_not(task) or "":
        _judged(run, Check(machine="qemu", name=BOOT_CHECK, outcome=Outcome.SKIPPED, detail=reason))
        return None
    return task


def _boot_qemu(run: _Run, task: QemuBoot) -> None:
    with _booting(run, "qemu") as (note, scratch):
        boot, ending = boot_under_qemu(task, run.accelerator, run.request.output, scratch, run.pace, note, run.stop)
        _judge_boot(run, boot, ending)


def _xen_task(run: _Run) -> xen.XenBoot:
    settings, subject = run.request.xen, run.subject
    trace_of(subject, "grub-0.97")  # read here: the boots' threads only look it up
    loader = loader_for(subject, run.host, asked=run.request.pv_grub, cache=run.cache, meant_for=run.request.loader)
    if loader.note:
        run.progress.note(f"xen: {loader.note}")
    menu = subject.menu
    return xen.XenBoot(
        image=subject.raw,
        loader=loader,
        memory_bytes=settings.memory_bytes,
        timeout_seconds=settings.timeout_seconds,
        expect=settings.expect,
        menu_text=subject.menu_text,
        menu_waits=menu is not None and menu.timeout is None,
    )


def _fallback_case(run: _Run, task: xen.XenBoot) -> fallback.Case | str | None:
    """As fallback.case_of; None as well where no loader reads the menu, or the proof was not in this run."""
    if not run.request.fallback or task.loader.is_kernel:
        return None
    return fallback.case_of(run.subject)


def _boot_xen(run: _Run, task: xen.XenBoot, case: fallback.Case | str | None) -> None:
    """The image as it is, and when that came up, with its default entry broken."""
    host = xen.XenHost(run.host, run.accelerator, run.cache, run.pace, run.stop)
    with _booting(run, "xen") as (note, scratch):
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
