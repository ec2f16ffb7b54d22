"""`reproduce`: the image of an output directory again, and whether it is the same."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imagebuild.cli.options import Debug, Settings


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
) -> int:
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

    from imagebuild.cli.reproduce import reproduce_folder

    return reproduce_folder(folder, recipe, settings or [], context.obj.hands())
