"""`validate` and `plan`: what can be said from the recipe alone, in milliseconds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imagebuild.cli.ending import report, worst
from imagebuild.errors import OK, ImagebuildError, PlanError, Problem, RecipeError

if TYPE_CHECKING:
    from imagebuild.cli.hands import Load
    from imagebuild.plan.facts import TreeFacts
    from imagebuild.plan.steps import Plan
    from imagebuild.recipe.load import LoadedRecipe
# A key of the recipe, as the planner's messages begin with it: disk.partitions.0.size
_KEY = re.compile(r"[a-z_]+(\.[\w+-]+)*")


def parse_settings(words: Sequence[str]) -> dict[str, str]:
    """`--set name=value` words as a mapping. Raises RecipeError for what is no NAME=VALUE."""
    settings: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name.isidentifier():
            raise RecipeError([Problem("--set", 0, 0, word, "found no NAME=VALUE: write --set release=bookworm")])
        settings[name] = value
    return settings


def validate_recipes(paths: Sequence[Path], settings: Sequence[str], *, locked: bool = False) -> int:
    """Check every recipe, and plan it (without its tree) so that what no loader can boot is found too."""
    load = _reader(locked)
    values = parse_settings(settings)
    codes = []
    for path in paths:
        try:
            _preliminary(load(path, values))
        except ImagebuildError as error:
            codes.append(report(named(error, path)))
        else:
            print(f"{path}: valid")
            codes.append(OK)
    return worst(codes)


def show_plan(path: Path, settings: Sequence[str], *, as_json: bool, locked: bool = False) -> int:
    """Print the plan; the final one where the tree is in the cache."""
    from imagebuild.assemble.this_machine import check_machine
    from imagebuild.plan.outline import outline
    from imagebuild.plan.planner import make_plan

    loaded = _reader(locked)(path, parse_settings(settings))
    plan = _preliminary(loaded)
    if facts := _facts_in_cache(loaded):
        try:
            plan = make_plan(loaded.recipe, facts)
        except PlanError as error:
            raise placed(error, loaded) from None
    check_machine(plan)
    print(plan.model_dump_json(indent=2) if as_json else outline(plan), end="\n" if as_json else "")
    return OK


def _reader(locked: bool) -> Load:
    from imagebuild.recipe.load import load_recipe

    if not locked:
        return load_recipe
    from imagebuild.cli.lock import bound_to_lock

    return bound_to_lock(load_recipe)


def _preliminary(loaded: LoadedRecipe) -> Plan:
    """The plan as far as the recipe alone tells it. Raises PlanError, with its place."""
    from imagebuild.plan.planner import make_plan

    try:
        return make_plan(loaded.recipe, None)
    except PlanError as error:
        raise placed(error, loaded) from None


def placed(error: PlanError, loaded: LoadedRecipe) -> PlanError:
    """The error as file:line:column, where it names a key of the recipe; else with the file alone."""
    key, _, message = error.brief.partition(": ")
    if not message or not _KEY.fullmatch(key):
        key, message = "", error.brief
    brief = str(loaded.problem(key, message)) if key else f"{loaded.path}: {message}"
    others = tuple(placed(other, loaded) for other in error.others)
    return PlanError(brief, details=error.details, resolution=error.resolution, others=others)


def named(error: ImagebuildError, path: Path) -> ImagebuildError:
    """The error with the recipe's file in front, where it does not name it itself."""
    if isinstance(error, (RecipeError, PlanError)) or error.brief.startswith(str(path)):
        return error  # a PlanError has its place already (see placed), perhaps in an included file
    return type(error)(f"{path}: {error.brief}", details=error.details, resolution=error.resolution)


def _facts_in_cache(loaded: LoadedRecipe) -> TreeFacts | None:
    from imagebuild.host.cache import Cache
    from imagebuild.rootfs.tree import facts_in_cache

    return facts_in_cache(loaded, Cache())
