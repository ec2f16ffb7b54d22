"""The copy of a recipe beside what was built from it: the same recipe, and no secret."""

from __future__ import annotations

from pathlib import Path

from imagebuild.recipe.kept import kept_text
from imagebuild.recipe.load import LoadedRecipe, load_recipe

HASH = "$6$salt$" + "x" * 86
RECIPE = """\
include: [parts/base.yaml]
variables: {release: bookworm, note: "two\\nlines: # with ${release} and $${this}"}
name: web
version: "12.10"
rootfs: {debian: {suite: "${release}", packages: !append [zstd]}}
files:
  - {path: /etc/motd, content: "${note}"}
  - {path: "/etc/a \\"b\\"", source: motd, mode: "0600"}
"""
BASE = """\
rootfs: {debian: {packages: [linux-image-amd64]}}
disk: {layout: hd0, size: 1GiB, filesystem: ext4}
system: {root_password: {hash: "%s"}}
files: [{path: /etc/issue, source: issue}]
verify: {xen: false, qemu: {timeout: 90s}}
boot: {timeout: 0}
""".replace("%s", HASH)


def kept_in(folder: Path) -> tuple[LoadedRecipe, Path, str]:
    (folder / "recipes/parts").mkdir(parents=True)
    (folder / "out/web").mkdir(parents=True)
    for name in ("motd", "parts/issue"):
        (folder / "recipes" / name).write_text("text")
    (folder / "recipes/web.yaml").write_text(RECIPE)
    (folder / "recipes/parts/base.yaml").write_text(BASE)
    loaded = load_recipe(folder / "recipes/web.yaml")
    kept = folder / "out/web/recipe.yaml"
    kept.write_text(kept_text(loaded, kept.parent))
    return loaded, kept, kept.read_text()


def test_it_is_the_same_recipe(tmp_path: Path) -> None:
    loaded, kept, text = kept_in(tmp_path)
    again = load_recipe(kept).recipe
    before, after = loaded.recipe.model_dump(mode="json"), again.model_dump(mode="json")
    assert before["system"].pop("root_password")["hash"]
    assert after["system"].pop("root_password")["env"] == "SYSTEM_ROOT_PASSWORD"
    assert [file.pop("source") for file in before["files"]] == [None, "motd"]
    assert [file.pop("source") for file in after["files"]] == [None, "../../recipes/motd"]
    assert after == before
    assert "set SYSTEM_ROOT_PASSWORD in the environment" in text
    assert kept_text(loaded, kept.parent) == text


def test_no_secret_is_in_it(tmp_path: Path) -> None:
    _, _, text = kept_in(tmp_path)
    assert HASH not in text
    assert "xxxx" not in text


def test_nor_where_the_same_text_stands_elsewhere(tmp_path: Path) -> None:
    loaded, kept, _ = kept_in(tmp_path)
    path = loaded.path
    path.write_text(RECIPE + f'  - {{path: /root/note, content: "it is {HASH}"}}\n')
    text = kept_text(load_recipe(path), kept.parent)
    assert "xxxx" not in text
    assert "(a secret, not stored)" in text
