"""`inspect`: what is in an image, as lines for a terminal, as JSON, or drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imagebuild.cli.options import AnyImage, AsJson, Debug, ForLoader
from imagebuild.cli.output import say_json
from imagebuild.errors import OK
from imagebuild.vocabulary import DEFAULT_LOADER


def inspect(
    context: typer.Context,
    image: AnyImage,
    loader: ForLoader = DEFAULT_LOADER,
    as_json: AsJson = False,
    svg: Annotated[
        Path | None, typer.Option("--svg", metavar="FILE", help="Draw the disk, to scale, as an SVG file.")
    ] = None,
    debug: Debug = False,
) -> int:
    """Show what is in an image: layout, partitions, filesystems with their features, logical volumes, the menu's
    entries with kernels and initrds, what each boot loader would start, and the results of the static checks.

    Nothing is booted, and the image is never written. The exit code is 0 whatever the checks find (`verify` gives
    the verdict).

    \b
    Examples:
      imagebuild inspect old-server.qcow2
      imagebuild inspect disk.raw --json | jq '.findings[] | .outcome'
      imagebuild inspect disk.raw --svg disk.svg
    """

    import sys

    from imagebuild.cli.inspection_lines import lines
    from imagebuild.cli.terminal import say, watching
    from imagebuild.host.cache import Cache
    from imagebuild.operations.input_file import check_file
    from imagebuild.operations.inspect import InspectRequest, inspect_image

    check_file(image, "image")
    with watching(sys.stderr, transient=True) as progress:
        found = inspect_image(InspectRequest(image=image, loader=loader, svg=svg), Cache(), progress)
    if as_json:
        say_json(found.model_dump_json(indent=2))
        return OK
    say(lines(found))
    if svg is not None:
        say([[], [(f"Drawing of the disk: {svg}", "")]])
    return OK
