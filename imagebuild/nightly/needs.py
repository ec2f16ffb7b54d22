"""What a machine must be able to do for a recipe, in the words that workers advertise (engine.RESOURCES)."""

from __future__ import annotations

from typing import Literal

from pydantic import ByteSize

from imagebuild.operations.recipes import preliminary_plan
from imagebuild.plan.planner import make_plan, tree_source
from imagebuild.plan.steps import TakeImage
from imagebuild.recipe.load import LoadedRecipe
from imagebuild.recipe.model import Recipe
from imagebuild.vocabulary import MachineName

Need = MachineName | Literal["guestfs"]
_LARGE_BYTES = ByteSize(2**40)


def needs_of(loaded: LoadedRecipe, machines: tuple[MachineName, ...]) -> tuple[Need, ...]:
    """The resources beside "build". Raises PlanError for a recipe that no machine could make."""
    needs: list[Need] = [machine for machine in machines if machine != "static"]
    plan = preliminary_plan(loaded)
    if not plan.disk:  # its size is computed from the tree; which steps make it does not depend on that
        plan = make_plan(_with_size(loaded.recipe), None)
    if plan.phases.appliance or isinstance(tree_source(loaded.recipe), TakeImage):
        needs.append("guestfs")
    return tuple(needs)


def _with_size(recipe: Recipe) -> Recipe:
    return recipe.model_copy(update={"disk": recipe.disk.model_copy(update={"size": _LARGE_BYTES})})
