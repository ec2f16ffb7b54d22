"""What is said about an image in the end, for `build` and `verify` alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagebuild.artifacts.output_directory import describe_image
from imagebuild.errors import BAD_IMAGE, OK, HostError, ImagebuildError, VerifyError
from imagebuild.events import Progress
from imagebuild.host.cache import Cache
from imagebuild.operations.toolbox import VerifyImage
from imagebuild.report import Boot, Check, ImageFacts, Verdict
from imagebuild.vocabulary import GENUINE, Required

if TYPE_CHECKING:
    from imagebuild.verify.request import Request

LoaderDemand = Required | None
_EXIT_CODE = {Verdict.PASSED: OK, Verdict.FAILED: BAD_IMAGE, Verdict.UNVERIFIED: VerifyError.exit_code}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is known about an image. `reason`: why it is unverified; `error`: what stood in the way.

    `kept_at`: when the same bytes were judged, where that verdict was kept; empty: just now."""

    image: ImageFacts
    verdict: Verdict
    reason: str = ""
    checks: tuple[Check, ...] = ()
    boots: tuple[Boot, ...] = ()
    error: ImagebuildError | None = None
    kept_at: str = ""


def exit_code(verdict: Verdict, error: ImagebuildError | None) -> int:
    """What the process ends with. An image that is unverified because this machine lacks something is 4 (HostError):
    install it and try again; for any other reason it is 6."""
    return error.exit_code if error is not None else _EXIT_CODE[verdict]


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
    elif verdict is Verdict.PASSED and demand == GENUINE and all(boot.loader.kind != demand for boot in result.boots):
        verdict, reason = Verdict.UNVERIFIED, f"--require {demand}: no genuine PV-GRUB booted it"
    return Judgement(result.image, verdict, reason, result.checks, result.boots, kept_at=result.kept_at)
