"""`plan`: what will be built, without building it."""

from __future__ import annotations

import typer

from imagebuild.cli.options import AsJson, Debug, Locked, OneRecipe, Settings


def plan(
    context: typer.Context,
    recipe: OneRecipe,
    as_json: AsJson = False,
    settings: Settings = None,
    locked: Locked = False,
    debug: Debug = False,
) -> int:
    """Show what will be built: partition table, filesystems, kernels, menu.lst, fstab, checks, and a digest.

    Takes well under a second: nothing is downloaded or built. What only the root tree can tell (the kernels'
    versions, a computed size) is marked so, until the tree is in the cache.

    \b
    Examples:
      imagebuild plan recipes/debian-12-hd00-lvm.yaml
      imagebuild plan recipes/debian-12-hd0.yaml --json | jq .menu
    """

    from imagebuild.cli.validate import show_plan

    return show_plan(recipe, settings or [], as_json=as_json, locked=locked)
