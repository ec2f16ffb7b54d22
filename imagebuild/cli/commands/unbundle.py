"""`unbundle`: the image out of an EC2 bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imagebuild.cli.ec2_options import Key, needed
from imagebuild.cli.options import Debug
from imagebuild.cli.output import say_text
from imagebuild.errors import OK


def unbundle(
    context: typer.Context,
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST", help="Manifest of the bundle.", show_default=False)],
    key: Key = None,
    folder: Annotated[
        Path | None,
        typer.Option("-d", "--destination", metavar="DIR", help="Write the image here (default: current directory)."),
    ] = None,
    debug: Debug = False,
) -> int:
    """Check a bundle (signature, every part, the content) and extract its image. A bad bundle leaves no file behind.

    \b
    Examples:
      imagebuild unbundle bundle/web.raw.manifest.xml --key pk.pem -d /tmp
    """

    from imagebuild.cli.line_progress import LineProgress
    from imagebuild.operations.bundle import UnbundleRequest, read_bundle

    request = UnbundleRequest(manifest=manifest, private_key=needed(key, "--key"), folder=folder)
    progress = LineProgress()
    say_text(str(read_bundle(request, progress, progress.meter("unbundle"))))
    return OK
