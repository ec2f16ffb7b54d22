"""What keeps the appliance from starting is named: a disk that QEMU refuses, a full TMPDIR; no missing package."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from imagebuild.errors import BuildError
from imagebuild.host.guest import Drive, appliance

pytestmark = [pytest.mark.integration, pytest.mark.needs("guestfs", "qemu")]
SCRIPT = """
import sys
from pathlib import Path
from imagebuild.cli.ending import report
from imagebuild.host.guest import Drive, appliance
try:
    with appliance([Drive(Path(sys.argv[1]), readonly=True)], acceleration="tcg", log=print):
        pass
except BaseException as error:
    sys.exit(report(error))
"""


def test_a_hostile_image(tmp_path: Path) -> None:
    image = tmp_path / "image.qcow2"
    image.write_bytes(b"QFI\xfb\0\0\0\3" + os.urandom(2**17))
    drives = [Drive(image, readonly=True, format="qcow2")]
    with (
        pytest.raises(BuildError, match=r"the appliance cannot open .*image\.qcow2"),
        appliance(drives, acceleration="tcg", log=lambda _line: None),
    ):
        pytest.fail("it starts")


@pytest.mark.needs("root")
def test_a_full_tmpdir(tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    with (tmp_path / "image.raw").open("wb") as file:
        file.truncate(2**20)
    mount = 'mount -t tmpfs -o size=100k small "$1" && shift && exec "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mount, "sh", str(tmp_path / "small"), sys.executable, "-c", SCRIPT,
         str(tmp_path / "image.raw")],
        env=os.environ | {"TMPDIR": str(tmp_path / "small")}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == BuildError.exit_code, done.stderr
    assert "no space left on the filesystem" in done.stderr
    assert "python3-guestfs" not in done.stderr
