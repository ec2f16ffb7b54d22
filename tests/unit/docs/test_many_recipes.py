"""The how-to's own recipes are valid, and merge to what it says."""

from __future__ import annotations

from pathlib import Path

from imagebuild.operations.recipes import preliminary_plan
from imagebuild.recipe.load import load_recipe
from tests.unit.docs.test_command_lines import WRITTEN

PAGE = Path(__file__).parents[3] / "docs/how-to/many-recipes.md"


def test_the_page_s_recipes(tmp_path: Path) -> None:
    for found in WRITTEN.finditer(PAGE.read_text(encoding="utf-8")):
        (tmp_path / found["name"]).write_text(found["text"])
    assert {path.name for path in tmp_path.iterdir()} == {"_base.yaml", "web.yaml", "db.yaml"}
    web, db = (load_recipe(tmp_path / name, {"release": "trixie"}) for name in ("web.yaml", "db.yaml"))
    preliminary_plan(db)
    assert web.recipe.rootfs.debian is not None
    assert web.recipe.rootfs.debian.packages[-2:] == ("openssh-server", "nginx")
    assert web.recipe.rootfs.debian.suite == "trixie"
    assert (web.recipe.system.hostname, db.recipe.system.hostname) == ("web", "db")
    assert db.recipe.disk.size is not None
