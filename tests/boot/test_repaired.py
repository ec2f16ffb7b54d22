"""The image that taught us about holes: made by mke2fs -d with 1 KiB blocks, refused, repaired, booted."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagebuild.cli.run import run
from imagebuild.events import Quiet
from imagebuild.host.cache import Cache
from imagebuild.report import Outcome, Verdict
from imagebuild.testhost import TestHost
from imagebuild.verify.runner import Request, Verification, verify_image
from tools.proof.guest import tiny_guest
from tools.proof.images import IMAGES

pytestmark = [pytest.mark.boot, pytest.mark.needs("testhost", "guestfs")]


def test_a_holed_kernel_is_found_repaired_and_boots(
    test_host: TestHost, user_cache: Cache, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    guest = tiny_guest(test_host)
    assert not isinstance(guest, str), guest
    source, copy = tmp_path / "old.raw", tmp_path / "new.raw"
    next(image for image in IMAGES if image.name == "hd0-ext4-1k-holes").make(guest, source)

    def verify(image: Path, *machines: str) -> Verification:
        request = Request(image, tmp_path, machines)  # type: ignore[arg-type]  # a test's own words
        return verify_image(request, cache=user_cache, progress=Quiet())

    failed = {check.name for check in verify(source, "static").checks if check.outcome is Outcome.FAILED}
    assert failed == {"loader-reads", "holes"}
    assert run(["repair", str(source), "-o", str(copy)]) == 0
    assert "/boot/vmlinuz: rewritten without holes" in capsys.readouterr().out
    found = verify(copy, "static", "xen")
    assert found.verdict is Verdict.PASSED, found
    assert "proof login:" in found.boots[0].detail
