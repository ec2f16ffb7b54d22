"""Any image that has a menu.lst, whoever made it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imagebuild import __version__
from imagebuild.artifacts.output_directory import JUNIT, PAGE, REPORT, OutputFolder, open_folder, report_text
from imagebuild.events import Screen
from imagebuild.host.cache import Cache
from imagebuild.operations.failures import Failure, failure_of
from imagebuild.operations.input_file import check_file
from imagebuild.operations.journal import Journal, log_file
from imagebuild.operations.judge import Judgement, LoaderDemand, exit_code, judge
from imagebuild.operations.toolbox import VerifyImage
from imagebuild.pages.junit import junit_text
from imagebuild.report import Report
from imagebuild.vocabulary import DEFAULT_LOADER, BootLoader, MachineName

if TYPE_CHECKING:
    from imagebuild.verify.request import BootSettings, Request


@dataclass(frozen=True, slots=True)
class VerifyRequest:
    """`output` None: the image's name with .verify, in the current directory. `boot`: what --timeout … say.

    `fallback`: prove the menu's fallback by a boot of its own. `force`: boot it, whatever verdict is cached. `debug`:
    tracebacks in the log.
    """

    image: Path
    machines: tuple[MachineName, ...]
    boot: BootSettings
    output: Path | None = None
    loader: BootLoader = DEFAULT_LOADER
    pv_grub: Path | None = None
    demand: LoaderDemand = None
    fallback: bool = True
    force: bool = False
    debug: bool = False


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """`folder` is where the report lies. `failure`: why it could not be verified."""

    report: Report
    folder: Path
    code: int
    seconds: float
    failure: Failure | None = None


def verify_any_image(request: VerifyRequest, verify: VerifyImage, screen: Screen) -> VerifyResult:
    """Verify one image and write the report. Raises UsageError, HostError, BuildError before there is one."""
    check_file(request.image, "image")
    if request.pv_grub:
        check_file(request.pv_grub, "PV-GRUB")
    path = request.output or Path(f"{request.image.name}.verify")
    begin = time.monotonic()
    with open_folder(path, request.image.stem) as folder, log_file(folder.log_path("verify")) as log:
        log.line(f"imagebuild {__version__}: verify {request.image}")
        journal = Journal(screen, log)
        judgement = judge(
            _verify_request(request, folder), verify, cache=Cache(), progress=journal, demand=request.demand
        )
        report = _write_report(request, folder, judgement, journal)
        failure = failure_of(judgement.error, log.path) if judgement.error else None
        if failure:
            log.last_lines(failure.logged(debug=request.debug))
        log.line(f"verdict: {report.verdict}")
    code = exit_code(report.verdict, judgement.error)
    return VerifyResult(report, path, code, time.monotonic() - begin, failure)


def _verify_request(request: VerifyRequest, folder: OutputFolder) -> Request:
    from imagebuild.verify.request import Request

    return Request(
        image=request.image,
        output=folder.make_consoles(),
        machines=request.machines,
        qemu=request.boot,
        xen=request.boot,
        pvh=request.boot,
        bios=request.boot,
        uefi=request.boot,
        pv_grub=request.pv_grub,
        loader=request.loader,
        anew=request.force,
        fallback=request.fallback,
        strict_fallback=request.demand == "fallback",
    )


def _write_report(request: VerifyRequest, folder: OutputFolder, judgement: Judgement, journal: Journal) -> Report:
    from imagebuild.operations.report_page import page_text

    image = request.image
    inside = image.absolute().parent == folder.path.absolute()
    report = Report(
        name=image.stem,
        verdict=judgement.verdict,
        image=judgement.image.model_copy(update={"path": image.name if inside else str(image.absolute())}),
        stages=tuple(journal.stages),
        checks=judgement.checks,
        boots=judgement.boots,
        imagebuild_version=__version__,
        unverified_because=judgement.reason,
        cached=bool(judgement.kept_at),
        verified_at=judgement.kept_at,
    )
    page = page_text(report, "verify", image=image, consoles=folder.consoles)
    folder.replace({JUNIT: junit_text(report), PAGE: page, REPORT: report_text(report)})
    return report
