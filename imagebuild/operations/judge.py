"""What is said about an image in the end, for `build` and `verify` alike."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imagebuild.artifacts.output_directory import describe_image
from imagebuild.errors import BAD_IMAGE, OK, HostError, ImagebuildError, VerifyError
from imagebuild.events import Progress
from imagebuild.host.cache import Cache
from imagebuild.operations.toolbox import VerifyImage
from imagebuild.report import BOOT_CHECK, Boot, BootEnd, Check, ImageFacts, Outcome, Report, Verdict
from imagebuild.vocabulary import GENUINE, MachineName, Required

if TYPE_CHECKING:
    from imagebuild.verify.request import Request

LoaderDemand = Required | None
_GOOD = (Verdict.PASSED, Verdict.CHECKED)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is known about an image. `reason`: why less than a boot was proven; `error`: what stood in the way;
    `undecided`: the machines that could not judge.

    `kept_at`: when the same bytes were judged, where that verdict was kept; empty: just now."""

    image: ImageFacts
    verdict: Verdict
    reason: str = ""
    checks: tuple[Check, ...] = ()
    boots: tuple[Boot, ...] = ()
    error: ImagebuildError | None = None
    undecided: tuple[MachineName, ...] = ()
    kept_at: str = ""


def exit_code(report: Report, error: ImagebuildError | None) -> int:
    """What the process ends with: 0 only where nothing less was proven than was asked for.

    An image that is unverified because this machine lacks something is 4 (HostError): install it and try again; for
    any other reason it is 6.
    """
    if error is not None:
        return error.exit_code
    if report.verdict is Verdict.FAILED:
        return BAD_IMAGE
    return OK if report.as_asked else VerifyError.exit_code


def judge(
    request: Request, verify: VerifyImage, *, cache: Cache, progress: Progress, demand: LoaderDemand = None
) -> Judgement:
    """Verify; that it could not be carried out is an answer here, and no exception."""
    try:
        result = verify(request, cache=cache, progress=progress)
    except (VerifyError, HostError) as error:
        return Judgement(describe_image(request.image), Verdict.UNVERIFIED, error.brief, error=error)
    verdict, reason = result.verdict, result.unverified_because
    if verdict is Verdict.UNVERIFIED:
        reason = reason or "no check could run"
    elif verdict in _GOOD and demand == GENUINE and all(boot.loader.kind != demand for boot in result.boots):
        verdict, reason = Verdict.UNVERIFIED, f"--require {demand}: no genuine PV-GRUB booted it"
    elif verdict is Verdict.CHECKED:
        reason = _why_not_booted(request, result.checks)
    return Judgement(
        result.image, verdict, reason, result.checks, result.boots,
        undecided=tuple(result.undecided), kept_at=result.kept_at,
    )  # fmt: skip


def remedy(judgement: Judgement, image: Path, demand: LoaderDemand = None) -> str:
    """The command that may prove more about the image, for a verdict that is less than passed; else empty."""
    if judgement.verdict not in (Verdict.UNVERIFIED, Verdict.CHECKED) or judgement.error is not None:
        return ""
    verify = f"imagebuild verify {shlex.quote(str(image))}"
    if demand == GENUINE and not judgement.undecided:
        return f"{verify} --require {GENUINE} --{GENUINE} FILE"
    if not judgement.undecided:
        return verify
    tried = [boot for boot in judgement.boots if boot.machine in judgement.undecided and boot.proves == "default"]
    if not tried:  # a menu that cannot be judged from outside
        return f"imagebuild inspect {shlex.quote(str(image))}"
    if any(boot.end is BootEnd.REACHED and boot.loader.kind == "stand-in" for boot in tried):
        return f"{verify} --with xen --{GENUINE} FILE"
    return f"{verify} --with {','.join(judgement.undecided)}"


def boots_asked(machines: Sequence[MachineName]) -> bool:
    """Whether any of these machines boots the image. None: those that the image claims, which do."""
    return not machines or any(machine != "static" for machine in machines)


def _why_not_booted(request: Request, checks: Sequence[Check]) -> str:
    if not boots_asked(request.machines):
        return "no boot was requested"
    skipped = [f"{check.machine}: {check.detail}" for check in checks if check.outcome is Outcome.SKIPPED
               and check.name == BOOT_CHECK]  # fmt: skip
    return "; ".join(skipped)
