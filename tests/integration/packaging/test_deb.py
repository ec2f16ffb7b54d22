"""The Debian package: made, installed with dpkg, run, and removed, without a trace on this machine.

All that happens in a mount namespace of its own, where /usr, /var and /etc are overlays in memory. The dependencies are
those of the environment that runs the tests, so that pip needs no network.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.integration.packaging.test_wheel import ROOT, wheel

__all__ = ["wheel"]  # the fixture
pytestmark = [pytest.mark.integration, pytest.mark.needs("root", "unshare", "dpkg-deb", "guestfs")]
_SCRIPT = """\
set -eu
mount -t tmpfs none {scratch}
for name in usr var etc; do
    mkdir {scratch}/$name {scratch}/$name.work
    mount -t overlay none -o lowerdir=/$name,upperdir={scratch}/$name,workdir={scratch}/$name.work /$name
done
dpkg -i {package}
echo "{packages}" >"$(echo /usr/lib/imagebuild/lib/python3*/site-packages)/dependencies.pth"
cd {empty}
imagebuild --version
imagebuild recipe debian-12-hd0
imagebuild plan debian-12-hd0.yaml >/dev/null
imagebuild doctor --packages
/usr/lib/imagebuild/bin/python3 -c 'import imagebuild, guestfs; print(imagebuild.__file__)'
zcat /usr/share/man/man1/imagebuild.1.gz | head -1
dpkg -r imagebuild
ls -d /usr/lib/imagebuild /usr/bin/imagebuild 2>&1 || echo gone
"""


@pytest.fixture(scope="module")
def package(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("deb")
    environment = os.environ | {"PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1"}
    argv = [sys.executable, str(ROOT / "tools/deb.py"), "--wheel", str(wheel), "--output", str(output)]
    done = subprocess.run(argv, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(done.stdout.splitlines()[-1])


def test_it_depends_on_what_the_table_says(package: Path) -> None:
    fields = subprocess.run(["dpkg-deb", "--field", package, "Depends"], capture_output=True, text=True, check=True)
    depends = [part.strip() for part in fields.stdout.split(",")]
    assert {"python3-guestfs", "mmdebstrap", "qemu-system-x86", "libguestfs0t64 | libguestfs0"} <= set(depends)
    assert f"python3 (>= 3.{sys.version_info.minor})" in depends, "its modules are compiled for this one"
    assert not {"gcc", "python3-dev"} & set(depends), "nobody compiles any more"


def test_it_is_installed_run_and_removed(package: Path, tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "empty").mkdir()
    script = _SCRIPT.format(
        scratch=tmp_path / "scratch", package=package, packages=sysconfig.get_path("purelib"), empty=tmp_path / "empty"
    )
    own = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment = own | {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "IMAGEBUILD_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "debian-12-hd0.yaml: written" in done.stdout
    assert "/usr/lib/imagebuild/lib/python3" in done.stdout, "the package's own code ran"
    assert "mmdebstrap" in done.stdout
    assert done.stdout.rstrip().endswith("gone")
    assert not Path("/usr/lib/imagebuild").exists()
