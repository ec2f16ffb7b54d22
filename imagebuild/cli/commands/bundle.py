"""`bundle`: an image as an EC2 bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imagebuild.cli.ec2_options import Arch, Cert, Ec2Cert, Kernel, Key, Mappings, Ramdisk, RawImage, User, needed
from imagebuild.cli.options import Debug
from imagebuild.cli.output import say_text
from imagebuild.errors import OK


def bundle(
    context: typer.Context,
    image: RawImage,
    folder: Annotated[Path, typer.Option("-d", "--destination", metavar="DIR", help="Write the bundle here.")],
    user: User = None,
    cert: Cert = None,
    key: Key = None,
    ec2cert: Ec2Cert = None,
    prefix: Annotated[
        str | None, typer.Option("--prefix", "-p", help="Name of the bundle (default: the image's file name).")
    ] = None,
    arch: Arch = None,
    kernel: Kernel = None,
    ramdisk: Ramdisk = None,
    mappings: Mappings = None,
    debug: Debug = False,
) -> int:
    """Make an EC2 bundle of an image: encrypted parts of 10 MiB and a signed manifest.

    imagebuild reads the image once, and skips the holes of a sparse image. It needs no AWS credentials.

    \b
    Examples:
      imagebuild bundle web.raw -d bundle --user 123456789012 \\
          --cert cert.pem --key pk.pem --ec2cert cert-ec2.pem
    """

    from imagebuild.cli.line_progress import LineProgress
    from imagebuild.host.cache import Cache
    from imagebuild.operations.bundle import BundleRequest, make_bundle

    request = BundleRequest(
        image=image,
        account=needed(user, "--user"),
        certificate=needed(cert, "--cert"),
        private_key=needed(key, "--key"),
        ec2_certificate=needed(ec2cert, "--ec2cert"),
        folder=folder,
        prefix=prefix,
        architecture=arch,
        kernel_id=kernel,
        ramdisk_id=ramdisk,
        mappings=tuple(mappings or ()),
    )
    progress = LineProgress()
    say_text(str(make_bundle(request, Cache(), progress, progress.meter("bundle"))))
    return OK
