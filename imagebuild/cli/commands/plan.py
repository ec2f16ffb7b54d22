"""`plan`: what will be built, without building it."""

from __future__ import annotations

import typer

from imagebuild.cli.options import AsJson, Debug, Locked, OneRecipe, Settings
from imagebuild.cli.output import say_json, say_text


def plan(
    context: typer.Context,
    recipe: OneRecipe,
    as_json: AsJson = False,
    settings: Settings = None,
    locked: Locked = False,
    debug: Debug = False,
) -> int:
    """Show what a build will make: partition table, filesystems, kernels, menu.lst, fstab, checks, and a digest.

    This takes less than a second: imagebuild downloads and builds nothing. Facts that only the root tree has (kernel
    versions, a computed size) are marked as unknown until the tree is in the cache.

    \b
    Examples:
      imagebuild plan recipes/debian-12-hd00-lvm.yaml
      imagebuild plan recipes/debian-12-hd0.yaml --json | jq .menu
    """

    from imagebuild.errors import OK
    from imagebuild.operations.plan import PlanRequest, plan_recipe
    from imagebuild.operations.recipes import parse_settings
    from imagebuild.plan.outline import outline

    found = plan_recipe(PlanRequest(recipe, parse_settings(settings or []), locked))
    if as_json:
        say_json(found.model_dump_json(indent=2))
    else:
        say_text(outline(found), end="")
    return OK
