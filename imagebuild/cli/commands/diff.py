"""`diff`: what differs between two images, or two output folders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imagebuild.cli.options import AsJson, Debug
from imagebuild.errors import DIFFERENT, OK


def diff(
    context: typer.Context,
    a: Annotated[Path, typer.Argument(metavar="A", help="An image, or an output folder.", show_default=False)],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another.", show_default=False)],
    as_json: AsJson = False,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a page for a browser.")] = None,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="End with 11 when they differ.")] = False,
    debug: Debug = False,
) -> int:
    """Tell what differs between two images or output folders: layout, menu, kernels, packages, and every file.

    Files are compared by type, content, mode, owner, extended attributes, link target; not by their times. ext
    filesystems are read by debugfs (some 20 s for each image), all others in libguestfs' appliance (minutes).
    Earlier nights' results are there when `nightly --keep N` kept them. The exit code is 0 whether they differ or not,
    unless --exit-code is given.

    \b
    Examples:
      imagebuild diff out/web@-1 out/web      # the result before this one; @12: after night 12
      imagebuild diff old.raw new.raw --html difference.html
      imagebuild diff old.raw new.raw --json | jq '.packages'
    """

    import sys

    from imagebuild.cli.terminal import say, watching
    from imagebuild.diff.text import lines
    from imagebuild.operations.diff import DiffRequest, diff_images

    with watching(sys.stderr, transient=True) as progress:
        difference = diff_images(DiffRequest(a=a, b=b, html=html), progress)
    if as_json:
        print(difference.model_dump_json(indent=2))
    else:
        say(lines(difference))
    return OK if difference.same or not exit_code else DIFFERENT
