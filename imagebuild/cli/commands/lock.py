"""`lock`: the exact packages of a recipe's tree, written down."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from imagebuild.cli.options import Debug, Recipes, Settings


def lock(
    context: typer.Context,
    recipes: Recipes,
    settings: Settings = None,
    update: Annotated[
        bool, typer.Option("--update", help="Make the tree again first, from the mirror's packages of today.")
    ] = False,
    debug: Debug = False,
) -> int:
    """Write a recipe's lock file (web.yaml: web.lock): each package of its tree with version, architecture, sha256
    and size. `build --locked` installs exactly these, on any day and any machine, or names those that the mirror lacks.

    The tree comes from the cache; imagebuild makes it first if it is not there. A tree from elsewhere (tar, directory,
    image, oci) is locked by its digest. Keep the lock file beside the recipe, under version control.

    \b
    Examples:
      imagebuild lock web.yaml
      imagebuild lock --update recipes/*.yaml
      imagebuild build web.yaml --locked
    """

    from imagebuild.cli.terminal import choose_display, say, showing
    from imagebuild.errors import OK
    from imagebuild.operations.lock import LockRequest, lock_recipes
    from imagebuild.operations.recipes import parse_settings

    request = LockRequest(tuple(recipes), parse_settings(settings or []), update)
    for result in lock_recipes(request, lambda: showing(choose_display(sys.stderr, transient=True))):
        packages = result.lock.packages
        content = f"{len(packages)} packages" if packages else f"sha256 {result.lock.content_sha256}"
        say([[(f"{result.path}: ", "bold"), (f"{result.state}, {content}", "")]])
    return OK
