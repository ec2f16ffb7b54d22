from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from imagebuild.recipe.load import LoadedRecipe, load_recipe

MINIMAL = """\
name: web
rootfs:
  debian: {suite: bookworm}
disk: {layout: hd0, filesystem: ext4}
"""

Loader = Callable[..., LoadedRecipe]


@pytest.fixture
def load(tmp_path: Path) -> Loader:
    """Write files (name → text) and load `recipe.yaml` among them."""

    def write_and_load(files: Mapping[str, str], settings: Mapping[str, str] | None = None, **_: Any) -> LoadedRecipe:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
        return load_recipe(tmp_path / "recipe.yaml", settings or {})

    return write_and_load


@pytest.fixture
def minimal() -> str:
    return MINIMAL
