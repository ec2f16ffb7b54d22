"""`recipe`: one of imagebuild's own recipes, to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imagebuild.errors import OK


def recipe(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Left out: list them.", show_default=False)] = "",
    directory: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Where it is written.")] = Path(),
) -> int:
    """Write one of imagebuild's own recipes, and the files that it names, into a directory. Nothing is overwritten.

    \b
    Examples:
      imagebuild recipe
      imagebuild recipe debian-12-hd0
      imagebuild recipe debian-12-web -o web
    """

    from imagebuild.cli.terminal import say
    from imagebuild.operations.examples import examples, write_example

    if name:
        say([[(f"{path}: written", "")] for path in write_example(name, directory)])
    else:
        say([[(each, "")] for each in examples()])
    return OK
