"""`reproduce`: the image of an output directory again, and whether it is the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imagebuild.cli.options import Debug, Settings

if TYPE_CHECKING:
    from imagebuild.operations.reproduce import ReproduceResult

Line = Sequence[tuple[str, str]]


def reproduce(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Output directory of a build (out/web).", show_default=False)
    ],
    recipe: Annotated[
        Path | None,
        typer.Option("--recipe", metavar="FILE", help="Use this recipe (default: the copy in DIR)."),
    ] = None,
    settings: Settings = None,
    debug: Debug = False,
) -> int:
    """Build the image of an output directory again, from the recipe, package list and moment in that directory, and
    compare: exit code 0 and `identical`, or 10 and the differences (packages, files, the first byte).

    DIR does not change, and nothing is booted. The recipe in DIR names other files relative to DIR; if DIR has moved,
    give --recipe. DIR holds no password hash: set the environment variable that its recipe names.

    \b
    Examples:
      imagebuild reproduce out/web
      imagebuild reproduce /srv/images/web --recipe recipes/web.yaml
    """

    from imagebuild.cli.terminal import OnDemand, choose_display, say, showing
    from imagebuild.errors import BAD_IMAGE, OK
    from imagebuild.operations.recipes import parse_settings
    from imagebuild.operations.reproduce import ReproduceRequest
    from imagebuild.operations.reproduce import reproduce as build_again

    request = ReproduceRequest(folder, recipe, parse_settings(settings or []))
    with showing(OnDemand(choose_display)) as display:
        result = build_again(request, context.obj.toolbox(), display)
    say(_lines(result))
    return OK if result.same else BAD_IMAGE


def _lines(result: ReproduceResult) -> list[Line]:
    from imagebuild import __version__
    from imagebuild.formats.text import duration

    report = result.report
    if result.same:
        words = f", built again in {duration(result.seconds)}: sha256 {result.sha256}"
        return [[], [(f"{report.name}: ", "bold"), ("identical", "bold green"), (words, "")]]
    lines: list[Line] = [[], [(f"{report.name}: ", "bold"), ("different", "bold red"), (", built again in ", ""),
                              (duration(result.seconds), "")]]  # fmt: skip
    lines += [[(f"  sha256 as built {report.image.sha256}", "")], [(f"  sha256 again    {result.sha256}", "")]]
    if report.imagebuild_version != __version__:
        note = f"imagebuild {report.imagebuild_version} built it, this is {__version__}"
        lines.append([(f"  {note}", "yellow")])
    return [*lines, *_difference(result)]


def _difference(result: ReproduceResult) -> list[Line]:
    from imagebuild.diff.text import lines

    assert result.difference is not None  # the bytes differ
    if not result.in_bytes:
        missing = f"  {result.before} does not exist: only packages can be compared"
        return [[(missing, "yellow")], *lines(result.difference)]
    head: Line = [(f"  {result.in_bytes}", "")]
    if result.difference.same:
        return [head, [("  no file, package or setting differs: only times, or where things lie in the image", "")]]
    return [head, *lines(result.difference)]
