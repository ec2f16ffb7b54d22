"""What a recipe is made from: every file that it names takes part in the digest, and no secret travels."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagebuild.nightly.inputs import inputs_sha256, travelling_files
from imagebuild.recipe.load import load_recipe

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJOhhIH7fqMiB8dY9HduIzjJ+hVMjYucXz7YBnoTHh59 {}\n"
RECIPE = """\
name: web
rootfs: {debian: {suite: bookworm}}
disk: {layout: hd0, filesystem: ext4}
system:
  users:
    - {name: admin, ssh_keys: [admin.pub], password: {file: hash}}
    - {name: other, password: {env: OTHER_PW}}
  cloud_init: {user_data: user-data}
scripts: [one.sh, {run: two.sh}]
"""
FILES = {
    "admin.pub": KEY.format("a"),
    "user-data": "#cloud-config\n{}\n",
    "one.sh": "#!/bin/sh\n",
    "two.sh": "#!/bin/sh\n",
}
CHANGED = {
    "admin.pub": KEY.format("b"),
    "user-data": "#!/bin/sh\n",
    "one.sh": "#!/bin/sh -e\n",
    "two.sh": "#!/bin/sh -e\n",
}
HASH = "$y$j9T$hunter2"


def digest(folder: Path) -> str:
    return inputs_sha256(load_recipe(folder / "recipe.yaml"), (), None)


def test_what_counts_and_what_travels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, content in {"recipe.yaml": RECIPE, "hash": HASH, **FILES}.items():
        (tmp_path / name).write_text(content)
    travelling = {path.name for path in travelling_files(load_recipe(tmp_path / "recipe.yaml"))}
    assert travelling == {"recipe.yaml", *FILES}
    before = digest(tmp_path)
    for name, content in {"hash": HASH + "x", **CHANGED}.items():
        kept = (tmp_path / name).read_text()
        (tmp_path / name).write_text(content)
        assert digest(tmp_path) != before, name
        (tmp_path / name).write_text(kept)
    assert digest(tmp_path) == before
    monkeypatch.setenv("OTHER_PW", HASH)
    assert digest(tmp_path) != before
