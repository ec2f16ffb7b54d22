"""What is concluded from a run, and which boots of it are tried once more."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from imagebuild.events import Quiet
from imagebuild.host.cache import Cache
from imagebuild.image.subject import Subject
from imagebuild.report import Boot, BootEnd, Check, Loader, Outcome, Verdict
from imagebuild.testhost import TestHost
from imagebuild.verify import runner
from imagebuild.verify.boot import Pace
from imagebuild.verify.console import Blame, Ending
from imagebuild.verify.request import Request
from imagebuild.verify.run import Run, conclusion
from imagebuild.vocabulary import MachineName

READ = Check(machine="static", name="menu", outcome=Outcome.PASSED, detail="")
BOOTED = Check(machine="qemu", name="boot", outcome=Outcome.PASSED, detail="")
BAD = Check(machine="static", name="menu", outcome=Outcome.FAILED, detail="")
SKIPPED = Check(machine="xen", name="boot", outcome=Outcome.SKIPPED, detail="slow")


@pytest.mark.parametrize(
    ("checks", "undecided", "verdict", "reason"),
    [
        ((READ, BOOTED), {}, Verdict.PASSED, ""),
        ((READ,), {}, Verdict.CHECKED, ""),
        ((READ, SKIPPED), {}, Verdict.CHECKED, ""),
        ((READ, BOOTED, SKIPPED), {"xen": "slow"}, Verdict.UNVERIFIED, "xen: slow"),
        ((BAD, BOOTED, SKIPPED), {"xen": "slow"}, Verdict.FAILED, ""),
        ((SKIPPED,), {}, Verdict.UNVERIFIED, "xen: slow"),
        ((), {}, Verdict.UNVERIFIED, "no check was requested"),
    ],
)
def test_the_conclusion(
    checks: tuple[Check, ...], undecided: dict[MachineName, str], verdict: Verdict, reason: str
) -> None:
    assert conclusion(checks, undecided) == (verdict, reason)


def run_of(folder: Path, factor: float) -> Run:
    """A run whose boots are made up: neither a test host nor an image is needed."""
    request = Request(folder / "image.raw", folder, ("xen",))
    nothing = object()
    return Run(
        request, request.machines, Cache(folder), Quiet(), cast(TestHost, nothing), cast(Subject, nothing), folder,
        "tcg", Pace(factor),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("factor", "end", "blames", "again"),
    [
        (2.0, BootEnd.TIMEOUT, None, True),
        (2.0, BootEnd.FATAL, "machine", True),
        (2.0, BootEnd.FATAL, "image", False),  # decided
        (2.0, BootEnd.REACHED, None, False),
        (1.0, BootEnd.TIMEOUT, None, False),  # nothing would be different
    ],
)
def test_what_a_slow_machine_left_open_is_tried_once_more(
    tmp_path: Path, factor: float, end: BootEnd, blames: Blame | None, again: bool
) -> None:
    run = run_of(tmp_path, factor)
    loader = Loader(kind="stand-in", version="1")
    boot = Boot(machine="xen", end=end, milestones=(), console="console-xen.log", loader=loader, seconds=1)
    tried: list[float] = []
    assert runner._left_open(run, boot, Ending(end, blames, ""), lambda: tried.append(run.pace.factor)) is again
    runner._try_again(run)
    assert tried == ([1.0] if again else []), "with the pace measured again"
