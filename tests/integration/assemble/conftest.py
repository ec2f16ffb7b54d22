"""Images built once for all tests of this folder, without their verification."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from imagebuild.events import Quiet
from imagebuild.host.cache import Cache
from imagebuild.operations.image import Built, build_image
from imagebuild.recipe.load import load_recipe

ROOT = Path(__file__).parents[3]
RECIPES = ROOT / "recipes"


@dataclass(frozen=True, slots=True)
class Image:
    path: Path
    built: Built


BuildRecipe = Callable[[Path, Path], Image]


def build_recipe(recipe: Path, target: Path, cache: Cache) -> Image:
    return Image(target, build_image(load_recipe(recipe), target, cache=cache, progress=Quiet(), secrets={}))


@pytest.fixture(scope="session")
def hd0(user_cache: Cache, tmp_path_factory: pytest.TempPathFactory) -> Image:
    return build_recipe(RECIPES / "debian-12-hd0.yaml", tmp_path_factory.mktemp("hd0") / "hd0.raw", user_cache)


@pytest.fixture(scope="session")
def lvm(user_cache: Cache, tmp_path_factory: pytest.TempPathFactory) -> Image:
    return build_recipe(RECIPES / "debian-12-hd00-lvm.yaml", tmp_path_factory.mktemp("lvm") / "lvm.raw", user_cache)
