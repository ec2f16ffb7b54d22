"""A recipe that this machine cannot build is refused in its plan, with what to do (exit code 4)."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from imagebuild.host.cache import Cache
from imagebuild.host.guest import FILESYSTEMS
from imagebuild.host.mountable import KIND, digest, mountable
from tests.integration.assemble.sources import trees

pytestmark = [pytest.mark.integration, pytest.mark.needs("guestfs")]
RECIPE = """\
name: old
rootfs: {tar: rootfs.tar}
disk: {layout: hd0, size: 400MiB, filesystem: reiserfs}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "old.yaml"
    path.write_text(RECIPE)
    with tarfile.open(tmp_path / "rootfs.tar", "w") as archive:
        trees.add_boot_files(archive)
    return path


def run(verb: str, recipe: Path, cache: Cache) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "imagebuild", verb, str(recipe)]
    words += ["--output", str(recipe.parent / "out")] if verb == "build" else []
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(recipe.parent),
        "IMAGEBUILD_CACHE": str(cache.root),
    }
    return subprocess.run(words, capture_output=True, text=True, env=environment, timeout=300)


def answer(cache: Cache, *, without: str) -> None:
    """What the appliance of a machine without that filesystem has answered, as the cache keeps it."""
    able = {kind: kind != without for kind in FILESYSTEMS}
    cache.get(KIND, digest(), lambda folder: _write(folder / "answer.json", json.dumps(able)))


def _write(path: Path, text: str) -> None:
    path.write_text(text)


@pytest.mark.parametrize("verb", ["plan", "build"])
def test_what_this_machine_cannot_make_is_refused_before_any_work(verb: str, recipe: Path, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    answer(cache, without="reiserfs")
    ended = run(verb, recipe, cache)
    assert ended.returncode == 4, ended.stderr
    assert "this machine cannot make reiserfs" in ended.stderr
    assert "libguestfs-reiserfs" in ended.stderr, "what to do"
    assert "root tree" not in ended.stdout + ended.stderr
    assert not list(recipe.parent.glob("out/**/*.raw*"))


def test_another_filesystem_that_is_lacking_is_none_of_its_business(recipe: Path, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    answer(cache, without="xfs")
    ended = run("plan", recipe, cache)
    assert ended.returncode == 0, ended.stderr


def test_the_appliance_itself_is_asked(recipe: Path, user_cache: Cache) -> None:
    """Whatever this machine's distribution can do: plan says what the appliance says."""
    able = mountable(user_cache)
    assert able["ext4"]
    assert run("plan", recipe, user_cache).returncode == (0 if able["reiserfs"] else 4)
