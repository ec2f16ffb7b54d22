"""A recipe as every use case reads it: with settings, bound to its lock, planned; and errors with their place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imagebuild.errors import ImagebuildError, PlanError, RecipeError, UsageError

if TYPE_CHECKING:
    from imagebuild.host.cache import Cache
    from imagebuild.operations.toolbox import Load
    from imagebuild.plan.steps import Plan
    from imagebuild.recipe.load import LoadedRecipe


def parse_settings(settings: Sequence[str]) -> dict[str, str]:
    """`--set name=value` as a mapping. Raises UsageError for what is no NAME=VALUE."""
    found: dict[str, str] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name.isidentifier():
            raise UsageError("--set", f"{setting}: expected NAME=VALUE, such as --set release=bookworm")
        found[name] = value
    return found


def reader(*, locked: bool, load: Load | None = None) -> Load:
    """How recipes are read; `locked`: each bound to its lock. `load`: another way than recipe.load."""
    from imagebuild.recipe.load import load_recipe

    read = load or load_recipe
    return bound_to_lock(read) if locked else read


def bound_to_lock(load: Load) -> Load:
    """The same way to read a recipe, which then insists on its lock."""

    def load_locked(path: Path, settings: Mapping[str, str], /) -> LoadedRecipe:
        from imagebuild.rootfs.lock import with_lock

        return with_lock(load(path, settings))

    return load_locked


def preliminary_plan(loaded: LoadedRecipe) -> Plan:
    """The plan as far as the recipe alone tells it. Raises PlanError, with its place."""
    from imagebuild.operations.names import check_names
    from imagebuild.plan.planner import make_plan

    try:
        check_names(loaded.recipe)
        return make_plan(loaded.recipe, None)
    except PlanError as error:
        raise placed(error, loaded) from None


def final_plan(loaded: LoadedRecipe, cache: Cache) -> Plan | None:
    """The plan that a build would carry out, where the tree is in the cache. Raises PlanError, with its place."""
    from imagebuild.bootloaders.modes import has_own_code
    from imagebuild.plan.planner import make_plan
    from imagebuild.rootfs.tree import facts_in_cache
    from imagebuild.testhost.boot_code import find_boot_code

    facts = facts_in_cache(loaded, cache)
    found = find_boot_code(cache) if has_own_code(loaded.recipe.boot.modes) else None
    try:
        return make_plan(loaded.recipe, facts, found[1] if found else None) if facts else None
    except PlanError as error:
        raise placed(error, loaded) from None


def placed(error: PlanError, loaded: LoadedRecipe) -> PlanError:
    """The error as file:line:column, where it names a key of the recipe; else with the file alone."""
    place = loaded.problem(error.key, "").place if error.key else str(loaded.path)
    others = tuple(placed(other, loaded) for other in error.others)
    return PlanError(
        error.key, error.message, details=error.details, resolution=error.resolution, others=others, place=place
    )


def named(error: ImagebuildError, path: Path) -> ImagebuildError:
    """The error with the recipe's file in front, where it does not name it itself."""
    if isinstance(error, (RecipeError, PlanError)) or error.brief.startswith(str(path)):
        return error  # a PlanError has its place already (see placed), perhaps in an included file
    return type(error)(f"{path}: {error.brief}", details=error.details, resolution=error.resolution)
