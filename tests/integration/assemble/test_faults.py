"""What goes wrong in the middle of a build: a clear message with a remedy, the right exit code, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from imagebuild.host.cache import Cache
from imagebuild.recipe.load import load_recipe
from tests.integration.assemble.conftest import RECIPES, Image, build_recipe

pytestmark = [pytest.mark.integration, pytest.mark.needs("mmdebstrap", "namespace")]

DEBIAN = """
name: faulty
rootfs: {{debian: {{suite: {suite}, packages: [{package}]{more}}}}}
disk: {{layout: hd0, filesystem: ext4{size}}}
"""
LIMIT_SECONDS = 300


def write_recipe(folder: Path, *, suite: str = "bookworm", package: str = "linux-image-amd64", **more: str) -> Path:
    path = folder / "faulty.yaml"
    path.write_text(DEBIAN.format(suite=suite, package=package, more=more.get("more", ""), size=more.get("size", "")))
    return path


def imagebuild(*words: str | Path, cache: Path | None = None) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "imagebuild", *map(str, words)]
    environment = os.environ | ({"IMAGEBUILD_CACHE": str(cache)} if cache else {})
    return subprocess.run(argv, capture_output=True, text=True, env=environment, timeout=LIMIT_SECONDS)


def processes_of(folder: Path) -> list[str]:
    """Command lines of living processes that name the folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if str(folder) in words and str(os.getpid()) != path.parent.name:
            found.append(words)
    return found


def nothing_left(cache: Path, output: Path) -> None:
    deadline = time.monotonic() + 30
    while processes_of(cache) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert processes_of(cache) == []
    assert str(cache) not in Path("/proc/self/mounts").read_text()
    assert [path.name for path in output.rglob("*.raw*")] == []
    assert not list((cache / "trees").glob("*")) if (cache / "trees").exists() else True


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"suite": "no-such-suite"}, 3, ["apt sources have such a suite", "rootfs.debian.suite", "bookworm"]),
        ({"package": "no-such-package"}, 5, ["a package does not exist", "no-such-package", "rootfs.debian.packages"]),
        ({"more": ", mirror: 'http://127.0.0.1:9/debian'"}, 5, ["cannot be reached", "rootfs.debian.mirror"]),
    ],
)
def test_bootstrap_fails_with_a_remedy(tmp_path: Path, changes: dict[str, str], code: int, words: list[str]) -> None:
    recipe = write_recipe(tmp_path, **changes)
    ended = imagebuild("build", recipe, "-o", tmp_path / "out", "--no-verify", cache=tmp_path / "cache")
    assert ended.returncode == code, ended.stderr
    for word in words:
        assert word in ended.stderr
    assert "Traceback" not in ended.stderr
    nothing_left(tmp_path / "cache", tmp_path / "out")


def test_a_tree_that_does_not_fit_is_an_impossible_plan(hd0: Image, tmp_path: Path) -> None:
    recipe = (RECIPES / "debian-12-hd0.yaml").read_text().replace("  free: 20%", "  size: 300MiB\n  free: 20%")
    path = tmp_path / "small.yaml"
    path.write_text(recipe)
    ended = imagebuild("build", path, "-o", tmp_path / "out", "--no-verify")
    assert ended.returncode == 3, ended.stderr
    assert "the tree does not fit" in ended.stderr
    assert "what to do: give it at least" in ended.stderr
    assert list((tmp_path / "out").rglob("*.raw*")) == []


@pytest.mark.needs("root")
def test_a_full_disk(hd0: Image, tmp_path: Path) -> None:
    """The output lies on a filesystem of 100 MiB, mounted in a namespace of the test's own."""
    output = tmp_path / "out"
    output.mkdir()
    script = 'mount -t tmpfs -o size=100M small "$1" && shift && "$@"; code=$?; ls -AR "$OUT" >&2; exit $code'
    build = [sys.executable, "-m", "imagebuild", "build", str(RECIPES / "debian-12-hd0.yaml"), "--no-verify", "-o"]
    ended = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", str(output), *build, str(output)],
        capture_output=True, text=True, timeout=LIMIT_SECONDS, env=os.environ | {"OUT": str(output)},
    )  # fmt: skip
    assert ended.returncode == 5, ended.stderr
    assert "full" in ended.stderr
    assert "what to do: free some space" in ended.stderr
    assert ".raw" not in ended.stderr.split("what to do:")[1]


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_ended_in_the_middle_of_a_bootstrap(tmp_path: Path, kind: signal.Signals) -> None:
    cache, output = tmp_path / "cache", tmp_path / "out"
    argv = [sys.executable, "-m", "imagebuild", "build", str(write_recipe(tmp_path)), "-o", str(output), "--no-verify"]
    with subprocess.Popen(
        argv, env=os.environ | {"IMAGEBUILD_CACHE": str(cache)}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        log = output / "faulty" / "build.log"
        deadline = time.monotonic() + LIMIT_SECONDS
        while "extracting archives" not in (log.read_text() if log.exists() else "") and time.monotonic() < deadline:
            assert process.poll() is None, process.communicate()
            time.sleep(0.1)
        process.send_signal(kind)
        _out, words = process.communicate(timeout=60)
    assert process.returncode == (-kind if kind is signal.SIGKILL else 130)
    assert b"Traceback" not in words
    nothing_left(cache, output)
    if kind is not signal.SIGKILL:
        assert list((cache / "work").glob("*")) == []


def test_the_next_run_removes_what_a_killed_one_left(hd0: Image, tmp_path: Path, user_cache: Cache) -> None:
    left = user_cache.root / "work" / "tree-dead"
    left.mkdir(parents=True)
    (left / "file").touch()
    (user_cache.root / "work" / "tree-dead.lock").touch()
    stale = tmp_path / "again.raw"
    stale.write_bytes(b"half an image")
    image = build_recipe(RECIPES / "debian-12-hd0.yaml", stale, user_cache)
    assert not left.exists()
    assert image.built.plan.digest == hd0.built.plan.digest
    assert load_recipe(RECIPES / "debian-12-hd0.yaml").recipe.name == image.built.plan.name
