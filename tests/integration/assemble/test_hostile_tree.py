"""A tree whose own mkinitramfs wants out, sleeps or eats the machine: the build ends with code 5 and says why."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests import images
from tests.integration.assemble.sources import trees
from tests.integration.assemble.sources.trees import add, member
from tests.integration.assemble.test_users_and_scripts import add_program
from tests.integration.host.test_fence import Outside, arguments, open_ways

pytestmark = [pytest.mark.integration, pytest.mark.needs("namespace", "fence", "mke2fs", "debugfs", "gcc")]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("program") / "ways_out"
    source = Path(__file__).parents[1] / "host/ways_out.c"
    subprocess.run(["gcc", "-static", "-O1", "-o", path, source], check=True)
    return path


def build(folder: Path, mkinitramfs: str, program: Path, **limits: int) -> tuple[int, str]:
    """Build from a tree whose initrd lacks what the root needs; returns the exit code, and what was said and logged."""
    known: set[str] = set()
    with tarfile.open(folder / "rootfs.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        trees.add_boot_files(archive)
        add(archive, member(f"./boot/initrd.img-{images.RELEASE}"), images.initrd(modules=()))
        for name in ("sh", "cat", "sleep"):
            add_program(archive, name, known, Path("/bin/dash") if name == "sh" else None)
        add(archive, member("./bin/ways_out", mode=0o755), program.read_bytes())
        add(archive, member("./usr/sbin/mkinitramfs", mode=0o755), f"#!/bin/sh\n{mkinitramfs}\n".encode())
    recipe = trees.write_recipe(folder, "{tar: rootfs.tar}")
    recipe.write_text(recipe.read_text().replace("48MiB", "128MiB"))
    argv = [sys.executable, "-m", "imagebuild", "build", str(recipe), "-o", str(folder / "out"), "--no-verify"]
    environment = os.environ | {"IMAGEBUILD_CACHE": str(folder / "cache")}
    environment |= {f"IMAGEBUILD_TREE_{name}": str(value) for name, value in limits.items()}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=300, check=False)
    logs = "".join(path.read_text() for path in (folder / "out").rglob("build.log"))
    assert not list((folder / "out").rglob("*.raw"))
    return done.returncode, done.stdout + done.stderr + logs


def test_it_finds_no_way_out(tmp_path: Path, program: Path) -> None:
    (tmp_path / "outside").mkdir()
    outside = Outside(tmp_path / "outside", program, None)
    with arguments(outside, program) as argv:
        code, said = build(tmp_path, f"{' '.join(argv)}; exit 1", program)
    assert open_ways(said) == set()
    assert code == 5
    assert "mkinitramfs ended with exit code 1" in said


@pytest.mark.parametrize(
    ("mkinitramfs", "limits", "words"),
    [
        ("sleep 86397", {"SECONDS": 4}, "mkinitramfs did not end within 4 s"),
        ("b() { b | b & }; b; sleep 86397", {"PROCESSES": 150}, "mkinitramfs had more than 150 processes"),
        (
            "x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done", {"MEMORY_MIB": 200},
            "mkinitramfs used more than 200 MiB of memory",
        ),
    ],
    ids=["sleeps", "forks", "eats"],
)  # fmt: skip
def test_it_ends_by_its_limit(
    mkinitramfs: str, limits: dict[str, int], words: str, tmp_path: Path, program: Path
) -> None:
    code, said = build(tmp_path, mkinitramfs, program, **limits)
    assert code == 5, said
    assert words in said
    assert f"IMAGEBUILD_TREE_{next(iter(limits))}" in said, "the limit can be raised on purpose"
