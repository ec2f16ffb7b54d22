"""`aki`: the table of AKIs, and the right one for an image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imagebuild.cli.ec2_options import Arch, Kernel, Loader
from imagebuild.cli.options import AsJson, Debug
from imagebuild.cli.output import say_json, say_text
from imagebuild.errors import OK

if TYPE_CHECKING:
    from imagebuild.operations.aki import ChosenAki
    from imagebuild.publish.ec2.aki import Aki


def aki(
    context: typer.Context,
    region: Annotated[str | None, typer.Option("--region", metavar="R", help="Region, such as us-east-1.")] = None,
    arch: Arch = None,
    loader: Loader = None,
    version: Annotated[
        str | None, typer.Option("--version", metavar="V", help="PV-GRUB version, such as 1.05.")
    ] = None,
    image: Annotated[Path | None, typer.Option("--for", metavar="IMAGE", help="Choose the AKI for this image.")] = None,
    kernel: Kernel = None,
    ask_aws: Annotated[
        bool, typer.Option("--ask-aws", help="Query AWS (DescribeImages) instead of imagebuild's table.")
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """List the AKIs (Amazon Kernel Images) that are PV-GRUB, or choose the right one for an image.

    Paravirtual images run only on EC2's previous-generation instances.

    \b
    Examples:
      imagebuild aki --region us-east-1 --version 1.05
      imagebuild aki --for out/web/web.raw --region eu-west-1
      imagebuild aki --for web.raw --region eu-west-1 --kernel aki-52a34525
    """

    from imagebuild.cli.line_progress import LineProgress
    from imagebuild.host.cache import Cache
    from imagebuild.operations.aki import AkiRequest, ChosenAki, find_akis

    request = AkiRequest(
        region=region, architecture=arch, layout=loader, version=version, image=image, aki=kernel, ask_aws=ask_aws
    )
    found = find_akis(request, Cache(), LineProgress())
    if isinstance(found, ChosenAki):
        _print_chosen(found, as_json=as_json)
    else:
        _print_rows(found, as_json=as_json)
    return OK


def _print_rows(rows: Sequence[Aki], *, as_json: bool) -> None:
    import json
    from dataclasses import asdict

    from imagebuild.publish.ec2.aki import sources

    if as_json:
        say_json(json.dumps([asdict(row) | {"name": row.name} for row in rows], indent=2))
        return
    for row in rows:
        say_text(f"{row.id}  {row.region:<15} {row.name:<30} {row.source}")
    for key in sorted({row.source for row in rows}):
        if text := sources().get(key):
            say_text(f"{key}: {text}")
    say_text(f"{len(rows)} AKIs" if rows else "no AKI matches")


def _print_chosen(chosen: ChosenAki, *, as_json: bool) -> None:
    import json
    from dataclasses import asdict

    aki, kind = chosen.aki, chosen.kind
    if as_json:
        image = {"table": kind.table, "layout": kind.layout, "architecture": kind.architecture}
        facts = {"name": aki.name, "reason": chosen.reason, "image": image, "notes": chosen.notes}
        say_json(json.dumps(asdict(aki) | facts, indent=2))
        return
    say_text(f"{aki.id}  {aki.name}  {aki.region}  (source: {aki.source})")
    for line in (chosen.reason, *chosen.notes):
        say_text(line)
