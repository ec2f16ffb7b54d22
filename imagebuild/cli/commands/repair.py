"""`repair`: a bootable copy of somebody else's image, and what had to be changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imagebuild.cli.options import AnyImage, Debug, ForLoader
from imagebuild.errors import BAD_IMAGE, OK
from imagebuild.vocabulary import DEFAULT_LOADER

if TYPE_CHECKING:
    from imagebuild.cli.terminal import Segment
    from imagebuild.operations.repair import Repaired


def repair(
    context: typer.Context,
    image: AnyImage,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="NEW", help="Write the copy here (raw, sparse).", show_default=False),
    ],
    loader: ForLoader = DEFAULT_LOADER,
    debug: Debug = False,
) -> int:
    """Make a bootable copy of an image with as few changes as possible, and list the changes. IMAGE itself is never
    written.

    imagebuild repairs: kernels, initrds and menus with holes; kernels packed with lz4 or zstd; ext filesystems with
    64bit, metadata_csum, inline_data and other features that the loader does not read; XFS V5 (converted to V4);
    filesystems that were not unmounted; a menu without a timeout, with a default or a root that does not exist, with
    unstable device names, or behind a dangling link; a boot partition without /boot/grub/menu.lst; a stray grub.cfg.
    If something cannot be repaired, imagebuild says so, names the copy NEW.rejected, and exits with 10.

    \b
    Examples:
      imagebuild repair old-server.qcow2 -o old-server.raw
      imagebuild verify old-server.raw
    """

    import sys

    from imagebuild.cli.terminal import say, watching
    from imagebuild.host.cache import Cache
    from imagebuild.operations.input_file import check_file
    from imagebuild.operations.repair import RepairRequest, repair_image

    check_file(image, "image")
    with watching(sys.stderr, transient=True) as progress:
        repaired = repair_image(RepairRequest(image=image, target=output, loader=loader), Cache(), progress)
    say(_lines(image, repaired))
    return BAD_IMAGE if repaired.failed else OK


def _lines(image: Path, repaired: Repaired) -> list[list[Segment]]:
    from imagebuild.formats.text import excerpt

    final, failed = repaired.path, repaired.failed
    lines: list[list[Segment]] = [[(excerpt(image.name), "bold"), (" was not changed; the copy:", "")]]
    lines += [[("  changed  ", "green"), (excerpt(change, 1000), "")] for change in repaired.changes]
    lines += [] if repaired.changes else [[("  nothing had to be changed", "")]]
    lines += [[("  left     ", "bold red"), (excerpt(text, 1000), "")] for text in repaired.beyond]
    lines += [[("  failed   ", "bold red"), (check.name, "bold"), (f": {check.detail}", "")] for check in failed]
    lines.append([])
    if failed:
        lines.append([(f"{final}: the copy is still bad; it stays under this name for inspection", "bold red")])
    else:
        what = "no static check fails on it; now boot it: imagebuild verify"
        lines.append([(f"{final}: ", "bold"), (f"{what} {final}", "green")])
    return lines
