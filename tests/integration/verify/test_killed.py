"""A verification that is killed leaves what the next run of imagebuild removes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.images import make_image

pytestmark = [pytest.mark.integration, pytest.mark.needs("testhost", "mke2fs", "debugfs")]
PROGRAM = (sys.executable, "-m", "imagebuild")


def test_the_next_run_removes_what_a_killed_verification_left(tmp_path: Path) -> None:
    image, temporary = make_image(tmp_path / "good.raw"), tmp_path / "tmp"
    temporary.mkdir()
    environment = os.environ | {"TMPDIR": str(temporary)}
    argv = [*PROGRAM, "verify", str(image), "--with", "static", "-o", str(tmp_path / "out"), "--force"]
    with subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        while not list(temporary.glob("*/subject-*/image.raw")) and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    [left] = temporary.iterdir()
    done = subprocess.run([*PROGRAM, "diff", str(image), str(image)], env=environment, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert not left.exists()
    assert list(temporary.iterdir()) == []
