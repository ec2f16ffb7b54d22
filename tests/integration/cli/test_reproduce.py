"""`reproduce`: the image of an output folder again, from the copy of its recipe; and what is said of a changed file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imagebuild.cli.run import run
from tests.unit.rootfs.family_trees import debian, write_tar

pytestmark = [pytest.mark.integration, pytest.mark.needs("namespace", "debugfs")]
RECIPE = """\
name: small
rootfs: {tar: tree.tar}
disk: {layout: hd0, filesystem: ext4, size: 64MiB}
files: [{path: /etc/motd, source: motd}]
"""


def test_the_same_and_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMAGEBUILD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    write_tar(tmp_path / "tree.tar", debian().files)
    (tmp_path / "motd").write_text("one\n")
    (tmp_path / "small.yaml").write_text(RECIPE)
    assert run(["build", "small.yaml", "-o", "out", "--no-verify"]) == 0
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    (tmp_path / "small.yaml").unlink()  # the folder holds a copy

    capsys.readouterr()
    assert run(["reproduce", "out/small"]) == 0
    assert "small: identical" in capsys.readouterr().out

    assert "SOURCE_DATE_EPOCH" not in os.environ, "the folder's moment goes its own way"
    (tmp_path / "motd").write_text("two\n")
    assert run(["reproduce", "out/small"]) == 10
    said = capsys.readouterr().out
    assert "small: different" in said
    assert "the first byte that differs is number " in said
    assert "~ /etc/motd  content" in said

    (tmp_path / "out/small/recipe.yaml").unlink()
    assert run(["reproduce", "out/small"]) == 2
    assert "give the recipe with --recipe" in capsys.readouterr().err
