"""sshd's host keys: a bootstrap's go, and each machine makes its own; a given tree's are its owner's business."""

from __future__ import annotations

from pathlib import Path

from imagebuild.plan.facts import TreeFacts
from imagebuild.plan.steps import BootstrapDebian, Remove, UnpackTar, WriteFile
from imagebuild.plan.tidy import tidying
from imagebuild.rootfs.facts import read_tree
from tests.unit.rootfs.family_trees import debian, write_tar

BOOTSTRAP = BootstrapDebian(
    suite="bookworm", variant="minbase", architecture="x86_64", mirror=None, components=("main",), packages=()
)
KEYS = ("/etc/ssh/ssh_host_ed25519_key", "/etc/ssh/ssh_host_ed25519_key.pub")


def facts(folder: Path, *paths: str) -> TreeFacts:
    files = {**debian().files, **{path.removeprefix("/"): b"drawn" for path in paths}}
    return read_tree(write_tar(folder / "tree.tar", files), "0" * 64)[0]


def test_host_keys_of_a_bootstrap(tmp_path: Path) -> None:
    edits = tidying(facts(tmp_path, *KEYS), BOOTSTRAP, separate_boot=False)
    assert [edit.path for edit in edits if isinstance(edit, Remove)] == list(KEYS)
    (written,) = (edit for edit in edits if isinstance(edit, WriteFile))
    assert "ssh-keygen -A" in written.content
    assert tidying(facts(tmp_path), BOOTSTRAP, separate_boot=False) == ()


def test_host_keys_of_a_tree_that_is_given(tmp_path: Path) -> None:
    assert tidying(facts(tmp_path, *KEYS), UnpackTar(path="tree.tar", sha256=None), separate_boot=False) == ()
