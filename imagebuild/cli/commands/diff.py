"""`diff`: what differs between two images, or two output folders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imagebuild.cli.options import AsJson, Debug, duration_seconds
from imagebuild.cli.output import say_json
from imagebuild.errors import DIFFERENT, OK


def diff(
    context: typer.Context,
    a: Annotated[Path, typer.Argument(metavar="A", help="An image or an output directory.", show_default=False)],
    b: Annotated[
        Path, typer.Argument(metavar="B", help="The image or output directory to compare it with.", show_default=False)
    ],
    as_json: AsJson = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the differences as an HTML page.")
    ] = None,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 11 if they differ.")] = False,
    timeout: Annotated[
        str | None, typer.Option("--timeout", metavar="TIME", help="Limit of reading both (default: 30min).")
    ] = None,
    debug: Debug = False,
) -> int:
    """Compare two images or output directories: layout, menu, kernels, packages, and every file.

    Files are compared by type, content, mode, owner, extended attributes and link target, not by time. debugfs reads
    ext filesystems (about 20 s for each image), libguestfs' appliance reads the others (minutes). NAME@-1 is an earlier
    result of NAME, if `nightly --keep N` kept it. The exit code is 0 whether they differ or not, unless you give
    --exit-code.

    \b
    Examples:
      imagebuild diff out/web@-1 out/web   # the result before; @12: after run 12
      imagebuild diff old.raw new.raw --html difference.html
      imagebuild diff old.raw new.raw --json | jq '.packages'
    """

    import sys

    from imagebuild.cli.terminal import say, watching
    from imagebuild.diff.text import lines
    from imagebuild.operations.diff import TIMEOUT_SECONDS, DiffRequest, diff_images

    seconds = TIMEOUT_SECONDS if timeout is None else duration_seconds(timeout)
    with watching(sys.stderr, transient=True) as progress:
        difference = diff_images(DiffRequest(a=a, b=b, html=html, timeout_seconds=seconds), progress)
    if as_json:
        say_json(difference.model_dump_json(indent=2))
    else:
        say(lines(difference))
    return OK if difference.same or not exit_code else DIFFERENT
