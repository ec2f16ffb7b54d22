"""The golden plans: a change of what a recipe builds is a diff in tests/plans/, to be read in review.

Write them anew with: UPDATE_GOLDEN=1 pytest tests/unit/plan/test_golden.py
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from imagebuild.plan.planner import make_plan
from imagebuild.recipe.load import load_recipe

ROOT = Path(__file__).parents[3]
RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_golden_plan(path: Path) -> None:
    plan = make_plan(load_recipe(path).recipe, None)
    text = json.dumps(plan.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    golden = ROOT / "tests" / "plans" / f"{path.stem}.json"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text)
    assert golden.read_text() == text


def test_every_golden_plan_has_its_recipe() -> None:
    assert {path.stem for path in (ROOT / "tests" / "plans").glob("*.json")} == {path.stem for path in RECIPES}
    assert RECIPES
