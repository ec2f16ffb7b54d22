"""What will be built, without building it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imagebuild.host.cache import Cache
from imagebuild.operations.recipes import final_plan, preliminary_plan, reader

if TYPE_CHECKING:
    from imagebuild.plan.steps import Plan


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """`settings`: variables of the recipe; `locked`: it has to match its lock."""

    recipe: Path
    settings: Mapping[str, str]
    locked: bool = False


def plan_recipe(request: PlanRequest) -> Plan:
    """The final plan where the tree is in the cache, else the preliminary one.

    Raises RecipeError, PlanError, and HostError for what this machine could not carry out.
    """
    from imagebuild.assemble.this_machine import check_machine

    loaded = reader(locked=request.locked)(request.recipe, request.settings)
    preliminary = preliminary_plan(loaded)  # first: what the recipe alone tells is refused as it is by `validate`
    plan = final_plan(loaded, Cache()) or preliminary
    check_machine(plan)
    return plan
