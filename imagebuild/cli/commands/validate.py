"""`validate`: every mistake of every recipe, with its place."""

from __future__ import annotations

import typer

from imagebuild.cli.options import Debug, Locked, Recipes, Settings


def validate(
    context: typer.Context, recipes: Recipes, settings: Settings = None, locked: Locked = False, debug: Debug = False
) -> int:
    """Check recipes: every mistake at once, as file:line:column: key: what was found, what is allowed, what to do.

    Needs no root, no network, and builds nothing.

    \b
    Examples:
      imagebuild validate recipes/*.yaml
      imagebuild validate web.yaml --set release=bookworm
    """

    from imagebuild.cli.validate import validate_recipes

    return validate_recipes(recipes, settings or [], locked=locked)
