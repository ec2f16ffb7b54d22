"""Make dist/imagebuild_VERSION_ARCH.deb: the wheel and its dependencies as a virtual environment, /usr/lib/imagebuild.

`make deb` runs it. The environment is made for the machine's own Python (/usr/bin/python3) and sees its packages,
because guestfs comes from there; the package depends on just that version of Python. The pip of the Python that runs
this fetches the dependencies; pip's own variables (PIP_INDEX_URL, PIP_FIND_LINKS …) say from where.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
HOME = Path("usr/lib/imagebuild")
# Only pip needs these, to compile pyparted; what it links to is a dependency of the finished package.
_TO_COMPILE = {"python3-venv", "python3-dev", "libparted-dev", "pkg-config", "gcc"}
_LINKED = "libparted2t64 | libparted2"
_CONTROL = """\
Package: imagebuild
Version: {version}
Architecture: {architecture}
Section: admin
Priority: optional
Maintainer: The imagebuild developers <imagebuild@localhost>
Depends: {depends}
Installed-Size: {kibibytes}
Description: builds bootable disk images from declarative recipes
 Every image is booted, under QEMU and under Xen, before it gets its name.
 No root, no loop devices and no KVM are needed.
"""
_POSTRM = """\
#!/bin/sh
# What Python compiled since; nothing else is ever written there.
set -e
if [ "$1" = remove ] || [ "$1" = purge ]; then rm -rf /{home}; fi
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Make a Debian package of imagebuild.")
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="where the package is written")
    parser.add_argument("--wheel", type=Path, help="this wheel; left out: one is built")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        print(make(arguments.wheel or build_wheel(Path(scratch)), arguments.output, Path(scratch) / "tree"))


def build_wheel(scratch: Path) -> Path:
    run(*_PIP, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(scratch), str(ROOT))
    (wheel,) = scratch.glob("imagebuild-*.whl")
    return wheel


def make(wheel: Path, output: Path, tree: Path) -> Path:
    """The finished package. `tree`: a new directory."""
    home = tree / HOME
    run("/usr/bin/python3", "-m", "venv", "--system-site-packages", "--without-pip", str(home))
    python = home / "bin/python3"
    # This environment's pip works on the new one: a bare Debian has no python3-pip.
    into = (*_PIP, "--python", str(python), "install", "--quiet", "--no-compile", "--no-warn-script-location")
    run(*into, f"{wheel}[nightly]")
    minor = said(str(python), "-c", "import sys; print(sys.version_info.minor)")
    version = said(str(python), "-c", "import imagebuild; print(imagebuild.__version__)")
    _move_to_its_place(home)
    (tree / "usr/bin").mkdir(parents=True)
    (tree / "usr/bin/imagebuild").symlink_to("../lib/imagebuild/bin/imagebuild")
    manual = tree / "usr/share/man/man1"
    manual.mkdir(parents=True)
    shutil.copy(home / "share/man/man1/imagebuild.1", manual / "imagebuild.1")
    run("gzip", "-9n", str(manual / "imagebuild.1"))
    _describe(tree, version, int(minor))
    package = output / f"imagebuild_{version}_{said('dpkg', '--print-architecture')}.deb"
    run("dpkg-deb", "--root-owner-group", "--build", str(tree), str(package))
    return package


def _move_to_its_place(home: Path) -> None:
    """The environment is used from /usr/lib/imagebuild, not from where it was made: its scripts name their Python."""
    for path in [home / "pyvenv.cfg", *(home / "bin").iterdir()]:
        if path.is_symlink() or not path.is_file():
            continue
        content = path.read_bytes()
        if str(home).encode() in content:
            path.write_bytes(content.replace(str(home).encode(), f"/{HOME}".encode()))
    for cached in home.rglob("__pycache__"):
        shutil.rmtree(cached)


def _describe(tree: Path, version: str, minor: int) -> None:
    table = tomllib.loads((ROOT / "imagebuild/host/packages.toml").read_text(encoding="utf-8"))["debian"]["packages"]
    depends = [f"python3 (>= 3.{minor})", f"python3 (<< 3.{minor + 1})", _LINKED]
    depends += [" | ".join(names) for names in table if not _TO_COMPILE & set(names)]
    kibibytes = sum(path.lstat().st_size for path in tree.rglob("*")) // 1024
    (tree / "DEBIAN").mkdir()
    architecture = said("dpkg", "--print-architecture")
    control = _CONTROL.format(
        version=version, architecture=architecture, depends=", ".join(depends), kibibytes=kibibytes
    )
    (tree / "DEBIAN/control").write_text(control)
    (tree / "DEBIAN/postrm").write_text(_POSTRM.format(home=HOME))
    (tree / "DEBIAN/postrm").chmod(0o755)
    tree.chmod(0o755)


def run(*argv: str) -> None:
    subprocess.run(argv, check=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})


def said(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    main()
