"""The digest of a folder changes with everything that ends up in an image, and with nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from imagebuild.errors import BuildError
from imagebuild.rootfs.directory import directory_digest


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    (folder / "etc").mkdir(parents=True)
    (folder / "etc/a").write_text("a")
    (folder / "etc/b").write_text("b")
    (folder / "link").symlink_to("etc/a")
    (folder / os.fsdecode(b"caf\xe9\n")).touch()
    for path in (folder, *folder.rglob("*")):
        os.utime(path, ns=(0, 10**18), follow_symlinks=False)
    return folder


def change_content(tree: Path) -> None:
    (tree / "etc/a").write_text("c")
    os.utime(tree / "etc/a", ns=(0, 10**18))


def relink(tree: Path) -> None:
    (tree / "link").unlink()
    (tree / "link").symlink_to("etc/b")


def hard_link(tree: Path) -> None:
    (tree / "etc/b").unlink()
    (tree / "etc/b").hardlink_to(tree / "etc/a")


CHANGES: list[Callable[[Path], object]] = [
    change_content,
    relink,
    hard_link,
    lambda tree: (tree / "etc/a").rename(tree / "etc/c"),
    lambda tree: (tree / "etc/a").chmod(0o600),
    lambda tree: (tree / "etc").chmod(0o700),
    lambda tree: os.utime(tree / "etc/a", ns=(0, 10**18 + 1)),
    lambda tree: (tree / "new").mkdir(),
    lambda tree: (tree / "etc/b").unlink(),
]


@pytest.mark.parametrize("change", CHANGES)
def test_it_changes(change: Callable[[Path], object], tree: Path) -> None:
    before = directory_digest(tree)
    change(tree)
    assert directory_digest(tree) != before


def test_it_stays(tree: Path) -> None:
    before = directory_digest(tree)
    os.utime(tree / "etc/a", ns=(5 * 10**18, 10**18))
    assert directory_digest(tree) == before
    tree.rename(tree.parent / "elsewhere")
    assert directory_digest(tree.parent / "elsewhere") == before


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="cannot be read"):
        directory_digest(tmp_path / "nothing")
