"""The verbs for images that somebody else made: inspect, repair. Options only; the work is in the modules of their
names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Protocol

import typer

from imagebuild.cli.options import AsJson, Debug, ForLoader

Work = Callable[[], int]
AnyImage = Annotated[
    Path,
    typer.Argument(metavar="IMAGE", help="A disk image of any usual format.", show_default=False),
]


class Do(Protocol):
    def __call__(self, context: typer.Context, work: Work, *, debug: bool = False) -> None: ...


def add_image_verbs(app: typer.Typer, do: Do) -> None:
    """Register them; `do` keeps the work until the parser has ended."""
    _add_inspect(app, do)
    _add_repair(app, do)


def _add_inspect(app: typer.Typer, do: Do) -> None:
    @app.command(short_help="Show what is in an image, and what each boot loader would do with it.")
    def inspect(
        context: typer.Context,
        image: AnyImage,
        loader: ForLoader = "pv-grub",
        as_json: AsJson = False,
        svg: Annotated[
            Path | None, typer.Option("--svg", metavar="FILE", help="Draw the disk, to scale, into an SVG file.")
        ] = None,
        debug: Debug = False,
    ) -> None:
        """Show what is in an image: layout, partitions, filesystems with their features, logical volumes, the menu's
        entries with kernels and initrds, what each boot loader would start, and what the static checks find.

        Nothing is booted and the image is never written. Exit code 0: it was looked at, whatever was found
        (`verify` is the judge).

        \b
        Examples:
          imagebuild inspect old-server.qcow2
          imagebuild inspect disk.raw --json | jq '.findings[] | select(.outcome == "failed")'
          imagebuild inspect disk.raw --svg disk.svg
        """

        def work() -> int:
            from imagebuild.cli.inspect import inspect_image

            return inspect_image(image, loader=loader, as_json=as_json, svg=svg)

        do(context, work, debug=debug)


def _add_repair(app: typer.Typer, do: Do) -> None:
    @app.command(short_help="Make a bootable copy of an image that a boot loader cannot read.")
    def repair(
        context: typer.Context,
        image: AnyImage,
        output: Annotated[
            Path, typer.Option("-o", "--output", metavar="NEW", help="The copy (raw, sparse).", show_default=False)
        ],
        loader: ForLoader = "pv-grub",
        debug: Debug = False,
    ) -> None:
        """Make a bootable copy of an image, with as few changes as will do, and say what was changed. IMAGE itself is
        never written.

        Repaired are: kernels, initrds and menus with holes; kernels packed with lz4 or zstd; ext filesystems with
        64bit, metadata_csum, inline_data and other features that the loader does not read; XFS V5 (made anew as V4);
        filesystems that were not unmounted; a menu without timeout, with a default or a root that does not exist,
        with device names that shift, as a dangling link; a boot partition without /boot/grub/menu.lst; a stray
        grub.cfg. What cannot be repaired is said, the copy is then called NEW.rejected, and the exit code is 10.

        \b
        Examples:
          imagebuild repair old-server.qcow2 -o old-server.raw
          imagebuild verify old-server.raw
        """

        def work() -> int:
            from imagebuild.cli.repair import repair_image

            return repair_image(image, output, loader=loader)

        do(context, work, debug=debug)
