"""`build`: recipes in, verified images out; several side by side (parallel.py)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imagebuild import __version__
from imagebuild.artifacts.output_directory import (
    JUNIT,
    PACKAGES,
    PAGE,
    PLAN,
    REPORT,
    OutputFolder,
    describe_image,
    open_folder,
    report_text,
)
from imagebuild.cli import summary
from imagebuild.cli.ending import report as say_error
from imagebuild.cli.ending import worst
from imagebuild.cli.hands import Hands, Made
from imagebuild.cli.jobs import Job, prepare_jobs
from imagebuild.cli.judge import Judgement, LoaderDemand, exit_code, judge
from imagebuild.cli.lock import bound_to_lock
from imagebuild.cli.terminal import LogFile, Watcher, choose_display, say, showing
from imagebuild.cli.unchanged import inputs_digest, still_good
from imagebuild.cli.validate import parse_settings, placed
from imagebuild.cli.verify import check_file
from imagebuild.errors import OK, ImagebuildError, Interrupted, PlanError
from imagebuild.events import stage
from imagebuild.host.cache import Cache
from imagebuild.pages.junit import NOT_ASKED_FOR, junit_text
from imagebuild.report import Report, Verdict
from imagebuild.vocabulary import MachineName

if TYPE_CHECKING:
    from imagebuild.recipe.model import Machine
    from imagebuild.verify.runner import BootSettings, Request

_SUFFIX = {Verdict.PASSED: ".raw", Verdict.FAILED: ".raw.rejected", Verdict.UNVERIFIED: ".raw.unverified"}


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """`machines`: those named by --with; None: all that each recipe has. `verify` False: --no-verify. `jobs`: recipes
    side by side; 0: as cores and memory allow.

    `force`: build even where an unchanged result is there.
    """

    output: Path
    machines: tuple[MachineName, ...] | None = None
    verify: bool = True
    force: bool = False
    keep_going: bool = False
    debug: bool = False
    pv_grub: Path | None = None
    demand: LoaderDemand = None
    sign_key: Path | None = None
    locked: bool = False
    jobs: int = 0


def build_recipes(paths: Sequence[Path], settings: Sequence[str], options: BuildOptions, hands: Hands) -> int:
    """Build and verify each recipe; the highest exit code. Nothing is begun before all recipes are known to be good."""
    if options.pv_grub:
        check_file(options.pv_grub, "PV-GRUB")
    if options.sign_key:
        from imagebuild.artifacts.signature import check_key

        check_key(options.sign_key)
    load = bound_to_lock(hands.load) if options.locked else hands.load
    jobs, code = prepare_jobs(paths, parse_settings(settings), options.machines if options.verify else (), load)
    if code != OK:
        return code
    rows = _side_by_side(jobs, settings, options, hands) or _one_by_one(jobs, options, hands)
    if len(jobs) > 1:
        say(summary.table(rows))
    return worst(row.code for row in rows if row.code is not None)


def _side_by_side(
    jobs: Sequence[Job], settings: Sequence[str], options: BuildOptions, hands: Hands
) -> list[summary.Row]:
    """All of them, several at once; empty when that is not for this machine, or these recipes."""
    if len(jobs) < 2 or options.jobs == 1:
        return []
    from imagebuild.cli.parallel import at_once, build_together

    count = at_once(len(jobs), options.jobs)
    return build_together(jobs, settings, options, program=hands.program, count=count) if count > 1 else []


def _one_by_one(jobs: Sequence[Job], options: BuildOptions, hands: Hands) -> list[summary.Row]:
    rows: list[summary.Row] = []
    for number, job in enumerate(jobs, start=1):
        if len(jobs) > 1:
            say([[], [(f"{job.name} ({number} of {len(jobs)})", "bold")]])
        rows.append(_run(job, options, hands))
        if rows[-1].code == Interrupted.exit_code or (rows[-1].code != OK and not options.keep_going):
            rows += [summary.Row(rest.name, code=None) for rest in jobs[number:]]
            break
    return rows


def _run(job: Job, options: BuildOptions, hands: Hands) -> summary.Row:
    """One recipe from its lock to its last words; errors become words and an exit code."""
    begin = time.monotonic()
    folder_path = options.output / job.name
    try:
        with open_folder(folder_path, job.name) as folder:
            if options.verify and not options.force and (earlier := still_good(job, folder_path, options)):
                seconds = time.monotonic() - begin
                say(summary.unchanged(earlier, folder_path, seconds))
                return summary.Row(job.name, OK, earlier, seconds)
            code, report = _logged(job, folder, options, hands)
    except BrokenPipeError:
        raise
    except BaseException as error:
        code, report = say_error(error, debug=options.debug), None
    seconds = time.monotonic() - begin
    if report is not None:
        say(summary.block(report, folder_path, seconds))
    return summary.Row(job.name, code, report, seconds)


def _logged(job: Job, folder: OutputFolder, options: BuildOptions, hands: Hands) -> tuple[int, Report | None]:
    log = LogFile(folder.log_path("build"))
    try:
        log.line(f"imagebuild {__version__}: build {job.loaded.path}")
        try:
            with showing(choose_display()) as display:
                report, error = _make(job, folder, options, hands, Watcher(display, log))
        except BrokenPipeError:
            raise
        except BaseException as broken:
            return say_error(broken, log=log.line, log_path=log.path, debug=options.debug), None
        if error is not None:
            say_error(error, log=log.line, log_path=log.path, debug=options.debug)
        log.line(f"verdict: {report.verdict}")
        return (OK if not job.machines else exit_code(report.verdict, error)), report
    finally:
        log.close()


def _make(
    job: Job, folder: OutputFolder, options: BuildOptions, hands: Hands, watcher: Watcher
) -> tuple[Report, ImagebuildError | None]:
    """Build, verify, and put the result into its place; the error is why it could not be verified."""
    cache = Cache()
    try:
        built = hands.build(job.loaded, folder.partial_image, cache=cache, progress=watcher, secrets=job.secrets)
    except PlanError as error:  # only the tree could tell
        raise placed(error, job.loaded) from error
    judgement = _judge(job, folder, options, hands, cache, watcher)
    suffix = ".raw" if not job.machines else _SUFFIX[judgement.verdict]
    inputs = inputs_digest(job, built.plan, options)
    report = _report(job, built, judgement, watcher, image_name=job.name + suffix, inputs=inputs)
    _put_in_place(job, folder, built, report, watcher, options.sign_key)
    return report, judgement.error


def _judge(
    job: Job, folder: OutputFolder, options: BuildOptions, hands: Hands, cache: Cache, watcher: Watcher
) -> Judgement:
    if not job.machines:
        from imagebuild.cli.papers import load_libraries

        with stage(watcher, "checksum"), ThreadPoolExecutor(max_workers=1) as beside:
            image = beside.submit(describe_image, folder.partial_image)
            load_libraries()  # on the other processor
        return Judgement(image.result(), Verdict.UNVERIFIED, NOT_ASKED_FOR)
    request = _request(job, folder, options)
    return judge(request, hands.verify, cache=cache, progress=watcher, demand=options.demand)


def _request(job: Job, folder: OutputFolder, options: BuildOptions) -> Request:
    from imagebuild.verify.runner import Request

    verify = job.loaded.recipe.verify
    return Request(
        image=folder.partial_image,
        output=folder.make_consoles(),
        machines=job.machines,
        qemu=_boot_settings(verify.qemu),
        xen=_boot_settings(verify.xen),
        pv_grub=options.pv_grub,
        loader=job.loaded.recipe.boot.loader,
        fallback=verify.fallback,
        strict_fallback=job.loaded.recipe.boot.fallback is not None or options.demand == "fallback",
        anew=options.force,
    )


def _boot_settings(machine: Machine | None) -> BootSettings:
    """The recipe's; None: that machine is left out, and what its settings are does not matter."""
    from imagebuild.verify.runner import BootSettings

    if machine is None:
        return BootSettings()
    seconds = machine.timeout.total_seconds()
    return BootSettings(timeout_seconds=seconds, memory_bytes=int(machine.memory), expect=machine.expect)


def _report(job: Job, built: Made, judgement: Judgement, watcher: Watcher, *, image_name: str, inputs: str) -> Report:
    from imagebuild.plan.steps import digest_of

    return Report(
        name=job.name,
        verdict=judgement.verdict,
        image=judgement.image.model_copy(update={"path": image_name}),
        stages=tuple(watcher.stages),
        checks=judgement.checks,
        boots=judgement.boots,
        recipe_digest=digest_of(job.loaded.recipe),
        plan_digest=built.plan.digest,
        inputs_digest=inputs,
        imagebuild_version=__version__,
        unverified_because=judgement.reason,
        cached=bool(judgement.kept_at),
        verified_at=judgement.kept_at,
    )


def _put_in_place(
    job: Job, folder: OutputFolder, built: Made, report: Report, watcher: Watcher, sign_key: Path | None
) -> None:
    from imagebuild.cli.page import page_text, previous_build
    from imagebuild.cli.papers import digests, inputs, other_shapes, papers
    from imagebuild.host.known_digest import remember_sha256

    shapes = other_shapes(job.loaded.recipe, folder, report, watcher)
    described = {
        PLAN: built.plan.model_dump_json(indent=2) + "\n",
        PACKAGES: built.packages.model_dump_json(indent=2) + "\n",
        **papers(built, report, shapes),
        **inputs(job.loaded, built, folder),
    }
    page = page_text(
        report, "build", image=folder.partial_image, consoles=folder.consoles,
        plan=built.plan, packages=built.packages, previous=previous_build(folder.path),
    )  # fmt: skip
    texts = {
        **described,
        **digests(report, shapes, described, sign_key),
        JUNIT: junit_text(report),
        PAGE: page,
        REPORT: report_text(report),
    }
    if report.verdict is Verdict.PASSED:
        folder.sync_image()  # costs nothing: most was written while it booted. A draft need not survive a power cut
    folder.replace(texts, image=report.image.path, others=shapes)
    remember_sha256(folder.path / report.image.path, Cache(), report.image.sha256)
