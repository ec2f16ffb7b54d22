"""What a tree brings along that would be in the new image's way is removed first; the rest is its owner's."""

from __future__ import annotations

from pathlib import Path

from imagebuild.plan.facts import TreeFacts
from imagebuild.plan.steps import Remove
from imagebuild.plan.tidy import tidying
from imagebuild.rootfs.facts import read_tree
from tests.unit.rootfs.family_trees import debian, write_tar


def facts(directory: Path, *paths: str) -> TreeFacts:
    files = {**debian().files, **{path.removeprefix("/"): b"x" for path in paths}}
    return read_tree(write_tar(directory / "tree.tar", files), "0" * 64)[0]


def test_only_what_is_there_is_removed(tmp_path: Path) -> None:
    assert tidying(facts(tmp_path), separate_boot=False) == ()
    edits = tidying(facts(tmp_path, "/boot/grub/grub.cfg", "/etc/mtab"), separate_boot=False)
    assert {edit.path for edit in edits if isinstance(edit, Remove)} == {"/boot/grub/grub.cfg", "/etc/mtab"}


def test_traces_of_a_machine_are_not_its_affair(tmp_path: Path) -> None:
    found = facts(tmp_path, "/etc/ssh/ssh_host_rsa_key", "/etc/machine-id", "/etc/udev/rules.d/70-persistent-net.rules")
    assert tidying(found, separate_boot=False) == ()


def test_nothing_is_known_of_a_tree_that_is_not_there() -> None:
    assert tidying(None, separate_boot=True) == ()
