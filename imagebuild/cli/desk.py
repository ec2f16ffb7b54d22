"""The verbs for the person at the desk: diff, init, boot, shell, completion."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from imagebuild.cli.options import AsJson, Debug

Work = Callable[[], int]
Do = Callable[..., None]


def add_desk_verbs(app: typer.Typer, do: Do) -> None:
    """Add them; `do` keeps what is to be done until the parser has ended (app.py)."""
    _add_diff(app, do)


def _add_diff(app: typer.Typer, do: Do) -> None:
    @app.command(short_help="Tell what differs between two images.")
    def diff(
        context: typer.Context,
        a: Annotated[Path, typer.Argument(metavar="A", help="An image, or an output folder.", show_default=False)],
        b: Annotated[Path, typer.Argument(metavar="B", help="Another.", show_default=False)],
        as_json: AsJson = False,
        html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a page for a browser.")] = None,
        exit_code: Annotated[bool, typer.Option("--exit-code", help="End with 11 when they differ.")] = False,
        debug: Debug = False,
    ) -> None:
        """Tell what differs between two images or output folders: layout, menu, kernels, packages, and every file.

        Files are compared by type, content, mode, owner, extended attributes, link target; not by their times. ext
        filesystems are read by debugfs (some 20 s for each image), all others in libguestfs' appliance (minutes).
        The exit code is 0 whether they differ or not, unless --exit-code is given.

        \\b
        Examples:
          imagebuild diff out-yesterday/web out/web
          imagebuild diff old.raw new.raw --html difference.html
          imagebuild diff old.raw new.raw --json | jq '.packages'
        """

        def work() -> int:
            from imagebuild.cli.diff import show_difference

            return show_difference(a, b, as_json=as_json, html=html, exit_code=exit_code)

        do(context, work, debug=debug)
