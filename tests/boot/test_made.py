"""What imagebuild makes is booted by the genuine loader to the login prompt, on each filesystem that it reads."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imagebuild.host.cache import Cache
from imagebuild.report import Verdict
from imagebuild.testhost import TestHost
from imagebuild.verify.loaders import ENVIRONMENT_VARIABLE
from tools.proof.made import MADE, Made, judge_made

pytestmark = [
    pytest.mark.boot,
    pytest.mark.needs("pv-grub", "mmdebstrap", "namespace", "guestfs", "qemu", "testhost"),
]


@pytest.mark.parametrize("item", MADE, ids=lambda item: item.name)
def test_the_genuine_loader_boots_it(item: Made, user_cache: Cache, test_host: TestHost, tmp_path: Path) -> None:
    found = judge_made(item, user_cache, tmp_path, Path(os.environ[ENVIRONMENT_VARIABLE]))
    assert found.verdict is Verdict.PASSED, found.why
