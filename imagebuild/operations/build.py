"""Recipes in, verified images out. Start at `build_job`: one recipe from its output directory's lock to its result.

    update?     ask_archive: other packages make the tree another one      (updates.py)
    unchanged?  still_good: nothing is to be done      (unchanged.py)
    build       toolbox.build: tree, plan, assembly    (image.py)
    verify      toolbox.verify, and what is said of it (judge.py)
    put         the output directory, replaced at once (output_files.py, report_page.py)

Several recipes at once: side_by_side.py.
"""

from __future__ import annotations

import time
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
    RECIPE,
    REPORT,
    OutputFolder,
    describe_image,
    open_folder,
    report_text,
)
from imagebuild.errors import OK, ImagebuildError, PlanError
from imagebuild.events import Screen, stage
from imagebuild.formats.text import json_text
from imagebuild.host.cache import Cache
from imagebuild.operations.failures import Failure, failure_of
from imagebuild.operations.input_file import check_file
from imagebuild.operations.jobs import BuildRequest, Job, Prepared, prepare_jobs
from imagebuild.operations.journal import Journal, LogFile, log_file
from imagebuild.operations.judge import Judgement, boots_asked, exit_code, judge, remedy
from imagebuild.operations.recipes import placed, reader
from imagebuild.operations.toolbox import Made, Toolbox
from imagebuild.operations.unchanged import inputs_digest, still_good
from imagebuild.pages.junit import junit_text
from imagebuild.report import PackageNews, Report, Verdict
from imagebuild.vocabulary import DiskBus

if TYPE_CHECKING:
    from imagebuild.recipe.model import Machine
    from imagebuild.verify.request import BootSettings, Request

_SUFFIX = {Verdict.PASSED: ".raw", Verdict.FAILED: ".raw.rejected"}
_UNPROVEN = ".raw.unverified"
_NOT_ASKED_FOR = "--no-verify"  # what the report says for it


@dataclass(frozen=True, slots=True)
class BuildResult:
    """One recipe of several. `code` None: not started. `unchanged`: an earlier result stands.

    `failure`: why it was not built, or could not be verified. `said`: the last words of a process that built it.
    `packages`: what the archive said, where it was asked.
    """

    name: str
    code: int | None
    report: Report | None = None
    seconds: float = 0.0
    unchanged: bool = False
    failure: Failure | None = None
    said: str = ""
    packages: PackageNews | None = None


def prepare(request: BuildRequest, toolbox: Toolbox) -> Prepared:
    """What is to be done for each recipe. Nothing may begin unless all of them are right.

    Raises UsageError, HostError for what the request names (a PV-GRUB, a key) and cannot be used.
    """
    if request.pv_grub:
        check_file(request.pv_grub, "PV-GRUB")
    if request.sign_key:
        from imagebuild.artifacts.signature import check_key

        check_key(request.sign_key)
    load = reader(locked=request.locked, load=toolbox.load)
    return prepare_jobs(request.recipes, request.settings, request.machines if request.verify else (), load)


def build_job(job: Job, request: BuildRequest, toolbox: Toolbox, screen: Screen) -> BuildResult:
    """One recipe. Whatever goes wrong is in the result, but for BrokenPipeError: then nobody listens any more."""
    begin = time.monotonic()
    path = request.output / job.name
    try:
        with open_folder(path, job.name) as folder:
            news = _ask(job, path, screen) if request.update else None
            if request.verify and not request.force and (earlier := still_good(job, path, request)):
                return BuildResult(job.name, OK, earlier, time.monotonic() - begin, unchanged=True, packages=news)
            with log_file(folder.log_path("build")) as log:
                return _logged(job, folder, request, toolbox, Journal(screen, log), log, news)
    except BrokenPipeError:
        raise
    except BaseException as error:
        failure = failure_of(error)
        return BuildResult(job.name, failure.exit_code, None, time.monotonic() - begin, failure=failure)


def _ask(job: Job, folder: Path, screen: Screen) -> PackageNews | None:
    from imagebuild.operations.updates import ask_archive, packages_in
    from imagebuild.rootfs.debian.offer import Archives

    with stage(Journal(screen), "archive"):
        return ask_archive(job.loaded, packages_in(folder), Archives(Cache()))


def _logged(
    job: Job, folder: OutputFolder, request: BuildRequest, toolbox: Toolbox, journal: Journal, log: LogFile,
    news: PackageNews | None,
) -> BuildResult:  # fmt: skip
    begin = time.monotonic()
    log.line(f"imagebuild {__version__}: build {job.loaded.path}")
    try:
        report, error = _make(job, folder, request, toolbox, journal, news)
    except BrokenPipeError:
        raise
    except BaseException as broken:
        failure = failure_of(broken, log.path)
        log.last_lines(failure.logged(debug=request.debug))
        return BuildResult(job.name, failure.exit_code, None, time.monotonic() - begin, failure=failure)
    why = failure_of(error, log.path) if error else None
    if why:
        log.last_lines(why.logged(debug=request.debug))
    log.line(f"verdict: {report.verdict}")
    code = exit_code(report, error)
    return BuildResult(job.name, code, report, time.monotonic() - begin, failure=why, packages=report.packages)


def _make(
    job: Job, folder: OutputFolder, request: BuildRequest, toolbox: Toolbox, journal: Journal, news: PackageNews | None
) -> tuple[Report, ImagebuildError | None]:
    """Build, verify, and put the result into its place; the error is why it could not be verified."""
    from imagebuild.operations.updates import packages_in, packages_of_build

    cache = Cache()
    try:
        if job.is_private:
            folder.make_private(folder.partial_image)
        built = toolbox.build(job.loaded, folder.partial_image, cache=cache, progress=journal, secrets=job.secrets)
    except PlanError as error:  # only the tree could tell
        raise placed(error, job.loaded) from error
    build_seconds = round(sum(stage.seconds for stage in journal.stages), 3)
    judgement = _judge(job, folder, request, toolbox, cache, journal)
    inputs = inputs_digest(job, built.plan, request)
    report = _report(job, built, judgement, journal, build_seconds=build_seconds, inputs=inputs).model_copy(
        update={"packages": packages_of_build(built.plan, built.packages, packages_in(folder.path), news)}
    )
    if report.unverified_because and job.loaded.recipe.verify.boot:
        image = folder.path / report.image.path
        report = report.model_copy(update={"remedy": remedy(judgement, image, request.demand)})
    _put_in_place(job, folder, built, report, journal, request.sign_key)
    return report, judgement.error


def _judge(
    job: Job, folder: OutputFolder, request: BuildRequest, toolbox: Toolbox, cache: Cache, journal: Journal
) -> Judgement:
    if not job.machines:
        from imagebuild.operations.output_files import load_libraries

        with stage(journal, "checksum"), ThreadPoolExecutor(max_workers=1) as beside:
            image = beside.submit(describe_image, folder.partial_image)
            load_libraries()  # on the other processor
        return Judgement(image.result(), Verdict.UNVERIFIED, _NOT_ASKED_FOR)
    return judge(
        _verify_request(job, folder, request), toolbox.verify, cache=cache, progress=journal, demand=request.demand
    )


def _verify_request(job: Job, folder: OutputFolder, request: BuildRequest) -> Request:
    from imagebuild.verify.request import Request

    verify = job.loaded.recipe.verify
    return Request(
        image=folder.partial_image,
        output=folder.make_consoles(),
        machines=job.machines,
        qemu=_boot_settings(verify.qemu),
        xen=_boot_settings(verify.xen),
        pvh=_boot_settings(verify.pvh),
        bios=_boot_settings(verify.bios),
        uefi=_boot_settings(verify.uefi),
        pv_grub=request.pv_grub,
        loader=job.loaded.recipe.boot.loader,
        fallback=verify.fallback,
        strict_fallback=job.loaded.recipe.boot.fallback is not None or request.demand == "fallback",
        anew=request.force,
    )


def _boot_settings(machine: Machine | None) -> BootSettings:
    """The recipe's; None: that machine is left out, and what its settings are does not matter."""
    from imagebuild.verify.request import BootSettings

    if machine is None:
        return BootSettings()
    seconds = machine.timeout.total_seconds()
    disk: DiskBus = getattr(machine, "disk", "virtio")
    return BootSettings(timeout_seconds=seconds, memory_bytes=int(machine.memory), expect=machine.expect, disk=disk)


def _report(
    job: Job, built: Made, judgement: Judgement, journal: Journal, *, build_seconds: float, inputs: str
) -> Report:
    from imagebuild.plan.steps import digest_of

    return Report(
        name=job.name,
        verdict=judgement.verdict,
        image=judgement.image.model_copy(update={"path": job.name + _suffix(job, judgement.verdict)}),
        stages=tuple(journal.stages),
        checks=judgement.checks,
        boots=judgement.boots,
        recipe_digest=digest_of(job.loaded.recipe),
        plan_digest=built.plan.digest,
        inputs_digest=inputs,
        imagebuild_version=__version__,
        unverified_because=_because(job, judgement),
        verify_asked=bool(job.machines),
        boot_asked=boots_asked(job.machines),
        build_seconds=build_seconds,
        cached=bool(judgement.kept_at),
        verified_at=judgement.kept_at,
    )


def _suffix(job: Job, verdict: Verdict) -> str:
    """The image's name says what was proven. One that its recipe never wants booted is as proven as it will be."""
    if verdict is Verdict.CHECKED and not job.loaded.recipe.verify.boot:
        return _SUFFIX[Verdict.PASSED]
    return _SUFFIX.get(verdict, _UNPROVEN)


def _because(job: Job, judgement: Judgement) -> str:
    if judgement.verdict is Verdict.CHECKED and not job.loaded.recipe.verify.boot:
        return "the recipe says verify: {boot: false}"
    return judgement.reason


def _put_in_place(
    job: Job, folder: OutputFolder, built: Made, report: Report, journal: Journal, sign_key: Path | None
) -> None:
    from imagebuild.host.known_digest import remember_sha256
    from imagebuild.operations.output_files import digests, documents, inputs, other_formats
    from imagebuild.operations.report_page import page_text, previous_build
    from imagebuild.plan.secret_files import secret_texts

    formats = other_formats(job.loaded.recipe, folder, report, journal)
    described = {
        PLAN: json_text(built.plan.model_dump_json(indent=2)) + "\n",
        PACKAGES: json_text(built.packages.model_dump_json(indent=2)) + "\n",
        **documents(built, report, formats),
        **inputs(job.loaded, built, folder),
    }
    page = page_text(
        report, "build", image=folder.partial_image, consoles=folder.consoles,
        loaded=job.loaded, plan=built.plan, packages=built.packages, previous=previous_build(folder.path),
    )  # fmt: skip
    texts = {
        **described,
        **digests(report, formats, described, sign_key),
        JUNIT: junit_text(report),
        PAGE: page,
        REPORT: report_text(report),
    }
    if report.image.path == job.name + _SUFFIX[Verdict.PASSED]:
        folder.sync_image()  # costs nothing: most was written while it booted. A draft need not survive a power cut
    private = {RECIPE} if secret_texts(job.loaded.recipe) else set()
    folder.replace(texts, image=report.image.path, others=formats, private=private)
    remember_sha256(folder.path / report.image.path, Cache(), report.image.sha256)
