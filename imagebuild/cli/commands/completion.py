"""`completion`: the script with which a shell completes the command line."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from imagebuild.cli.output import say_text
from imagebuild.errors import OK


def completion(
    shell: Annotated[
        Literal["bash", "zsh", "fish"], typer.Argument(metavar="bash|zsh|fish", help="Your shell.", show_default=False)
    ],
) -> int:
    """Print the script with which a shell completes verbs, options and file names.

    \b
    Examples:
      imagebuild completion bash > imagebuild.bash; . ./imagebuild.bash
      imagebuild completion zsh > ~/.zfunc/_imagebuild
      imagebuild completion fish > ~/.config/fish/completions/imagebuild.fish
    """

    from typer.completion import get_completion_script  # type: ignore[attr-defined]

    say_text(get_completion_script(prog_name="imagebuild", complete_var="_IMAGEBUILD_COMPLETE", shell=shell))
    return OK
