"""What is to be done about a verdict that is less than passed."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagebuild.errors import HostError
from imagebuild.operations.judge import Judgement, remedy
from imagebuild.report import Boot, BootEnd, ImageFacts, Loader, Verdict

IMAGE = ImageFacts(path="web.raw", sha256="0" * 64, size_bytes=1, real_bytes=1)
FILE = Path("out/my web/web.raw.unverified")


def boot(end: BootEnd, kind: str = "stand-in") -> Boot:
    loader = Loader.model_validate({"kind": kind, "version": "1"})
    return Boot(machine="xen", end=end, milestones=(), console="console-xen.log", loader=loader, seconds=1)


@pytest.mark.parametrize(
    ("judgement", "expected"),
    [
        (Judgement(IMAGE, Verdict.PASSED), ""),
        (Judgement(IMAGE, Verdict.FAILED), ""),
        (Judgement(IMAGE, Verdict.UNVERIFIED, error=HostError("no QEMU", resolution="install it")), ""),
        (Judgement(IMAGE, Verdict.UNVERIFIED, "--no-verify"), "imagebuild verify 'out/my web/web.raw.unverified'"),
        (Judgement(IMAGE, Verdict.CHECKED), "imagebuild verify 'out/my web/web.raw.unverified'"),
        (
            Judgement(IMAGE, Verdict.UNVERIFIED, boots=(boot(BootEnd.TIMEOUT),), undecided=("xen",)),
            "imagebuild verify 'out/my web/web.raw.unverified' --with xen",
        ),
        (
            Judgement(IMAGE, Verdict.UNVERIFIED, boots=(boot(BootEnd.REACHED),), undecided=("xen",)),
            "imagebuild verify 'out/my web/web.raw.unverified' --with xen --pv-grub FILE",
        ),
        (
            Judgement(IMAGE, Verdict.UNVERIFIED, undecided=("static", "qemu")),
            "imagebuild inspect 'out/my web/web.raw.unverified'",
        ),
    ],
)
def test_the_command(judgement: Judgement, expected: str) -> None:
    assert remedy(judgement, FILE) == expected


def test_where_a_genuine_loader_was_demanded() -> None:
    judged = Judgement(IMAGE, Verdict.UNVERIFIED, boots=(boot(BootEnd.REACHED),))
    assert remedy(judged, Path("web.raw"), "pv-grub") == (
        "imagebuild verify web.raw --require pv-grub --pv-grub FILE"
    )  # fmt: skip
