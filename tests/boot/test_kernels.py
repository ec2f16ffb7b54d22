"""A kernel that only its compression keeps from booting (Debian's cloud kernel: lz4), from a package, repacked."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagebuild.events import Quiet
from imagebuild.host.cache import Cache
from imagebuild.report import BootEnd, Verdict
from imagebuild.verify.runner import BootSettings, Request, verify_image
from tests.integration.assemble.sources.cloud_kernel import build_cloud_image

pytestmark = [pytest.mark.boot, pytest.mark.needs("mmdebstrap", "namespace", "e2fsprogs", "testhost", "apt-get")]


def test_a_repacked_kernel_boots_on_both_machines(user_cache: Cache, output: Path, tmp_path: Path) -> None:
    """Under Xen by its second payload, on a PC by its first."""
    image, plan = build_cloud_image(tmp_path, user_cache)
    assert "cloud" in plan.entries[0].kernel
    settings = BootSettings(timeout_seconds=600)
    request = Request(image, output, ("qemu", "xen"), settings, settings)
    verification = verify_image(request, cache=user_cache, progress=Quiet())
    assert [boot.end for boot in verification.boots] == [BootEnd.REACHED, BootEnd.REACHED]
    assert verification.verdict is Verdict.PASSED
