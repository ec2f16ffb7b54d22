"""Every combination of `make matrix` plans, or is refused for the reason that it gives."""

from __future__ import annotations

import pytest

from imagebuild.errors import PlanError
from imagebuild.plan.planner import make_plan
from imagebuild.recipe.model import Recipe
from tools.matrix.combinations import COMBINATIONS, Combination


@pytest.mark.parametrize("item", COMBINATIONS, ids=lambda item: item.name)
def test_plans_or_is_refused(item: Combination) -> None:
    recipe = Recipe.model_validate(item.recipe)
    if item.refused:
        with pytest.raises(PlanError, match=item.refused):
            make_plan(recipe, None)
    else:
        assert make_plan(recipe, None).filesystems


def test_names_are_unlike() -> None:
    assert len({item.name for item in COMBINATIONS}) == len(COMBINATIONS)
