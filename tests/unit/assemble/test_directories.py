"""A directory of the tree that cannot be made: what is in its place is named, not "File exists"."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagebuild.assemble.inside.directories import make_directory
from imagebuild.errors import BuildError


def test_parents_are_made(tmp_path: Path) -> None:
    make_directory(tmp_path / "a/b")
    make_directory(tmp_path / "a/b")
    assert (tmp_path / "a/b").is_dir()


def test_a_link_to_a_directory_will_do(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "etc").symlink_to("real")
    make_directory(tmp_path / "etc/default")
    assert (tmp_path / "real/default").is_dir()


@pytest.mark.parametrize("target", ["nowhere", "etc"])
def test_a_link_that_leads_nowhere(tmp_path: Path, target: str) -> None:
    (tmp_path / "etc").symlink_to(target)
    with pytest.raises(BuildError, match=f"/etc of the tree is a link to {target}, which is not there"):
        make_directory(tmp_path / "etc/default")


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "etc").write_text("")
    with pytest.raises(BuildError, match=r"etc of the tree is a file, and .* is to lie in it"):
        make_directory(tmp_path / "etc/default")
