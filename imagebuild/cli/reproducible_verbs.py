"""The verbs that pin a build and do it again: lock, reproduce. Options only; the work is in the modules of their
names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from imagebuild.cli.options import Debug, Recipes, Settings

Do = Callable[..., None]


def add_reproducible_verbs(app: typer.Typer, do: Do) -> None:
    """Register them; `do` keeps the work until the parser has ended."""
    _add_lock(app, do)
    _add_reproduce(app, do)


def _add_lock(app: typer.Typer, do: Do) -> None:
    @app.command(short_help="Write down the exact packages that a recipe's tree is made of.")
    def lock(
        context: typer.Context,
        recipes: Recipes,
        settings: Settings = None,
        update: Annotated[
            bool, typer.Option("--update", help="Make the tree anew first, of what the mirror has today.")
        ] = False,
        debug: Debug = False,
    ) -> None:
        """Write a recipe's lock (web.yaml: web.lock): each package of its tree with version, architecture, sha256 and
        size. `build --locked` then takes just these, on any day and any machine, or says which the mirror lacks.

        The tree is taken from the cache, or made. A tree that is given (tar, directory, image, oci) is locked by its
        digest. Keep the lock beside the recipe, under version control.

        \b
        Examples:
          imagebuild lock web.yaml
          imagebuild lock --update recipes/*.yaml
          imagebuild build web.yaml --locked
        """

        def work() -> int:
            from imagebuild.cli.lock import lock_recipes

            return lock_recipes(recipes, settings or [], update=update)

        do(context, work, debug=debug)


def _add_reproduce(app: typer.Typer, do: Do) -> None:
    @app.command(short_help="Build an output folder's image again, and tell whether it is the same.")
    def reproduce(
        context: typer.Context,
        folder: Annotated[
            Path, typer.Argument(metavar="DIR", help="The output folder of a build (out/web).", show_default=False)
        ],
        recipe: Annotated[
            Path | None,
            typer.Option("--recipe", metavar="FILE", help="This recipe (default: the copy that DIR holds)."),
        ] = None,
        settings: Settings = None,
        debug: Debug = False,
    ) -> None:
        """Build the image of an output folder again, from the recipe, package list and moment that the folder holds,
        and compare: exit code 0 and `identical`, or 10 and what differs (packages, files, the first byte).

        Nothing in DIR is changed and nothing is booted. The copy of the recipe names the files beside the recipe as
        DIR sees them; when DIR has moved, say --recipe. A password's hash is not kept: the copy asks for it in the
        environment.

        \b
        Examples:
          imagebuild reproduce out/web
          imagebuild reproduce /srv/images/web --recipe recipes/web.yaml
        """

        def work() -> int:
            from imagebuild.cli.reproduce import reproduce_folder

            return reproduce_folder(folder, recipe, settings or [], context.obj.hands())

        do(context, work, debug=debug)
