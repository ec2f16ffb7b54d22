"""`help VERB`: the same as `VERB --help`."""

from __future__ import annotations

from typing import Annotated

import typer

from imagebuild.cli.output import say_text
from imagebuild.errors import OK, UsageError


def show_help(
    context: typer.Context,
    verbs: Annotated[
        list[str] | None, typer.Argument(metavar="[VERB]", help="The verb, such as build or cache prune.")
    ] = None,
) -> int:
    """Show the help of a verb; without one, the list of all verbs.

    \b
    Examples:
      imagebuild help build
      imagebuild help cache prune
    """
    from typing import Any

    found: Any = context.find_root()
    for verb in verbs or ():
        below = getattr(found.command, "commands", {})
        if verb not in below:
            from imagebuild.recipe.nearest import did_you_mean

            raise UsageError("help", f"there is no verb {verb!r}{did_you_mean(verb, below)}")
        found = type(found)(below[verb], info_name=verb, parent=found)
    say_text(found.get_help())
    return OK
