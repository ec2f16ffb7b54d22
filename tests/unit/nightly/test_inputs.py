"""What a recipe is made from: every file that it names takes part in the digest, and no secret travels."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagebuild.errors import UsageError
from imagebuild.nightly.inputs import inputs_sha256, recipes_in, travelling_files
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


def test_parts_of_recipes_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text(RECIPE)
    (tmp_path / "db.yaml").write_text("include: [web.yaml]\n")  # its name may come from there
    (tmp_path / "_base.yaml").write_text(RECIPE)
    (tmp_path / "network.yaml").write_text("system: {hostname: a}\n")
    (tmp_path / "broken.yaml").write_text("name: [\n")
    found, passed_over = recipes_in([tmp_path, tmp_path / "_base.yaml"])
    assert [path.name for path in found] == ["broken.yaml", "db.yaml", "web.yaml", "_base.yaml"], "named is named"
    assert [path.name for path in passed_over] == ["_base.yaml", "network.yaml"]
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/_base.yaml").write_text(RECIPE)
    with pytest.raises(UsageError, match="1 problem"):
        recipes_in([tmp_path / "parts"])
