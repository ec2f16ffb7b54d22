"""boot.menu: fixed, held against apt itself: what it does to the kernels of an image with our files, and without."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from imagebuild.plan.kernel_updates import AUTOREMOVE_PATH, PREFERENCES_PATH
from imagebuild.plan.planner import make_plan
from imagebuild.plan.steps import WriteFile
from tests.unit.plan.test_kernel_updates import debian
from tests.unit.plan.test_planner import kernel, recipe

OLD, *NEWER = (f"linux-image-6.1.0-{number}-amd64" for number in range(56, 61))
META = "linux-image-amd64"


def stanza(name: str, version: str, *, depends: str = "", status: bool = False) -> str:
    lines = [
        f"Package: {name}",
        *(["Status: install ok installed"] if status else []),
        "Maintainer: Tests <t@example.org>",
    ]
    lines += ["Architecture: amd64", f"Version: {version}", *([f"Depends: {depends}"] if depends else [])]
    file = [] if status else [f"Filename: ./{name}.deb", "Size: 1", f"SHA256: {'0' * 64}"]
    return "\n".join([*lines, *file, "Description: a kernel", "", ""])


@pytest.fixture
def guest(tmp_path: Path) -> Path:
    """A root with three kernels, the oldest of which the menu names; the archive has that one in a newer version."""
    root = tmp_path / "root"
    for name in ("etc/apt/apt.conf.d", "etc/apt/preferences.d", "var/lib/apt/lists/partial", "var/lib/dpkg",
                 "var/cache/apt/archives/partial", "archive"):  # fmt: skip
        (root / name).mkdir(parents=True)
    shutil.copy("/etc/apt/apt.conf.d/01autoremove", root / "etc/apt/apt.conf.d")  # apt's own, on every Debian
    kernels = [*((name, "") for name in (OLD, *NEWER)), (META, NEWER[-1])]
    status = "".join(
        stanza(name, f"{number}-1", depends=depends, status=True) for number, (name, depends) in enumerate(kernels, 1)
    )
    (root / "var/lib/dpkg/status").write_text(status)
    marks = "".join(f"Package: {name}\nArchitecture: amd64\nAuto-Installed: 1\n\n" for name, _ in kernels[:-1])
    (root / "var/lib/apt/extended_states").write_text(marks)
    (root / "archive/Packages").write_text(stanza(OLD, "1-2"))
    (root / "etc/apt/sources.list").write_text(f"deb [trusted=yes] file:{root}/archive ./\n")
    apt(root, "update")
    return root


def apt(root: Path, *words: str) -> str:
    """apt-get with everything of its own below `root`, its configuration too: APT_CONFIG is read first."""
    options = {"Dir": root, "Dir::State::status": root / "var/lib/dpkg/status", "APT::Sandbox::User": "root",
               "Dir::Bin::methods": "/usr/lib/apt/methods", "Debug::NoLocking": 1,
               "APT::Architecture": "amd64"}  # fmt: skip
    settings = root / "apt.conf"
    settings.write_text("".join(f'{name} "{value}";\n' for name, value in options.items()))
    environment = {**os.environ, "APT_CONFIG": str(settings), "LC_ALL": "C"}
    argv = ["apt-get", *words]
    ended = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_without_our_files_apt_upgrades_and_removes_the_kernel(guest: Path) -> None:
    """The control: else the next test could not fail."""
    assert f"Inst {OLD} [1-1]" in apt(guest, "--simulate", "full-upgrade")
    assert f"Purg {OLD} [1-1]" in apt(guest, "--simulate", "autoremove", "--purge")


def test_with_them_it_leaves_the_kernel_alone(guest: Path) -> None:
    plan = make_plan(recipe(), debian(kernel(package=OLD)))
    ours = [edit for edit in (*plan.edits, *plan.finishing) if isinstance(edit, WriteFile)]
    for edit in ours:
        if edit.path in (AUTOREMOVE_PATH, PREFERENCES_PATH):
            (guest / edit.path.lstrip("/")).write_text(edit.content)
    assert OLD not in apt(guest, "--simulate", "full-upgrade")
    assert OLD not in apt(guest, "--simulate", "autoremove", "--purge")
