"""`validate`: every mistake of every recipe, with its place."""

from __future__ import annotations

import typer

from imagebuild.cli.options import AsJson, Debug, Locked, Quiet, Recipes, Settings
from imagebuild.cli.output import say_text


def validate(
    context: typer.Context,
    recipes: Recipes,
    settings: Settings = None,
    locked: Locked = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Check recipes: every mistake at once, as file:line:column: key: what was found, what is allowed, what to do.

    This needs neither root nor a network, and builds nothing.

    \b
    Examples:
      imagebuild validate recipes/*.yaml
      imagebuild validate web.yaml --set release=bookworm
    """

    from imagebuild.cli.ending import report, worst
    from imagebuild.cli.result_json import print_json, recipe_facts
    from imagebuild.errors import OK
    from imagebuild.operations.recipes import parse_settings
    from imagebuild.operations.validate import ValidateRequest, validate_recipes

    codes, facts = [], []
    request = ValidateRequest(tuple(recipes), parse_settings(settings or []), locked)
    for path, error in validate_recipes(request):
        facts.append(recipe_facts(path, error))
        if error is None and not (quiet or as_json):
            say_text(f"{path}: valid")
        codes.append(OK if error is None else error.exit_code if as_json else report(error))
    if as_json:
        print_json(facts)
    return worst(codes)
