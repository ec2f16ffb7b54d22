"""`lock` and `--locked` as commands: what is written, what is said, and which exit code it is. No network."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.conftest import Runner
from tests.unit.rootfs.family_trees import debian, write_tar

OWN = "name: own\nrootfs: {tar: tree.tar}\ndisk: {layout: hd0, size: 64MiB, filesystem: ext4}\n"


def own(folder: Path) -> str:
    write_tar(folder / "tree.tar", debian().files)
    (folder / "own.yaml").write_text(OWN)
    return "own.yaml"


@pytest.mark.parametrize("verb", ["build", "validate", "plan"])
def test_without_a_lock(imagebuild: Runner, verb: str) -> None:
    done = imagebuild(verb, imagebuild.recipe("web"), "--locked")
    assert done.returncode == 2
    assert done.stderr == "web.lock: web.yaml has no lock file; make one: imagebuild lock web.yaml\n"


def test_a_given_tree_is_locked_by_its_digest(imagebuild: Runner) -> None:
    recipe = own(imagebuild.folder)
    first, second = imagebuild("lock", recipe), imagebuild("lock", recipe)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr
    assert first.stdout.startswith("own.lock: written, sha256 ")
    assert second.stdout.startswith("own.lock: unchanged, sha256 ")
    assert imagebuild("validate", recipe, "--locked").returncode == 0
    assert imagebuild("build", recipe, "--locked").returncode == 0

    text = (imagebuild.folder / "own.lock").read_text()
    (imagebuild.folder / "own.lock").write_text(text.replace('"source": "', '"source": "0'))
    done = imagebuild("build", recipe, "--locked")
    assert done.returncode == 2
    assert "it belongs to another rootfs than that of own.yaml" in done.stderr


def test_a_lock_that_cannot_be_written(imagebuild: Runner) -> None:
    recipe = own(imagebuild.folder)
    (imagebuild.folder / "own.lock").mkdir()
    done = imagebuild("lock", recipe)
    assert done.returncode == 4
    assert done.stderr.startswith("error: own.lock cannot be written: ")
    assert not (imagebuild.folder / "own.lock.partial").exists()
