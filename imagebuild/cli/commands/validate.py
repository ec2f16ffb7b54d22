"""`validate`: every mistake of every recipe, with its place."""

from __future__ import annotations

import typer

from imagebuild.cli.options import Debug, Locked, Recipes, Settings
from imagebuild.cli.output import say_text


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

    from imagebuild.cli.ending import report, worst
    from imagebuild.errors import OK
    from imagebuild.operations.recipes import parse_settings
    from imagebuild.operations.validate import ValidateRequest, validate_recipes

    codes = []
    request = ValidateRequest(tuple(recipes), parse_settings(settings or []), locked)
    for path, error in validate_recipes(request):
        if error is None:
            say_text(f"{path}: valid")
        codes.append(OK if error is None else report(error))
    return worst(codes)
