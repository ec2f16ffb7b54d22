"""`validate` and `plan` answer at once: they load nothing that only a build or a screen needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
_HEAVY = {"guestfs", "parted", "rich", "boto3", "cryptography"}


@pytest.mark.parametrize(("verb", "heavy"), [("validate", _HEAVY | {"sh"}), ("plan", _HEAVY)])
def test_what_is_loaded(verb: str, heavy: set[str], tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from imagebuild.cli import main\n"
        f"code = main([{verb!r}, 'recipes/debian-12-hd0.yaml'])\n"
        "print(*sorted(sys.modules), file=sys.stderr)\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"IMAGEBUILD_CACHE": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not heavy & set(done.stderr.split())
