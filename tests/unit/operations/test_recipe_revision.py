"""Which revision of a recipe was built, by git itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from imagebuild.operations.recipe_revision import revision


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    return subprocess.run(
        ["git", "-C", folder, *who, *words], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.mark.parametrize("kind", ["sha1", "sha256"])
def test_a_recipe_in_a_repository(tmp_path: Path, kind: str) -> None:
    recipe = tmp_path / "sub" / "web.yaml"
    recipe.parent.mkdir()
    recipe.write_text("name: web\n")
    assert revision(recipe) == "", "no repository"
    git(tmp_path, "init", "-q", f"--object-format={kind}")
    assert revision(recipe) == "", "not committed"
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "one")
    commit = git(tmp_path, "rev-parse", "--short", "HEAD")
    assert revision(recipe) == f"git {commit}"
    recipe.write_text("name: other\n")
    assert revision(recipe) == f"git {commit}, changed since"


def test_a_stranger_s_repository_runs_nothing(tmp_path: Path) -> None:
    recipe = tmp_path / "web.yaml"
    recipe.write_text("name: web\n")
    (tmp_path / ".gitattributes").write_text("*.yaml filter=evil\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "one")
    for key in ("core.fsmonitor", "filter.evil.clean", "core.pager", "core.sshCommand"):
        git(tmp_path, "config", key, f"touch {tmp_path}/ran")
    recipe.write_text("name: other\n")
    assert revision(recipe).endswith("changed since")
    assert not (tmp_path / "ran").exists()
