"""`build`: recipes in, verified images out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imagebuild.cli.options import Debug, Demand, Jobs, Locked, PvGrub, Recipes, Settings, SignKey, With


def build(
    context: typer.Context,
    recipes: Recipes,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Where DIR/NAME/ is made.")] = Path(
        "out"
    ),
    settings: Settings = None,
    locked: Locked = False,
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Do not verify; the report then says 'unverified'.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Build and verify even what is unchanged and still verified.")
    ] = False,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="After a failure go on with the next recipe.")
    ] = False,
    machines: With = None,
    pv_grub: PvGrub = None,
    demand: Demand = None,
    sign_key: SignKey = None,
    jobs: Jobs = 0,
    debug: Debug = False,
) -> int:
    """Build images and verify each: read back by other tools, then booted under QEMU and Xen to the login prompt.

    DIR/NAME/ then holds NAME.raw (sparse) and the recipe's other outputs, SHA256SUMS, report.html (open it in a
    browser), report.json, junit.xml, packages.json, plan.json, SBOMs (SPDX, CycloneDX), provenance.json, build.log and
    one console log per boot. NAME.raw appears only after a passed
    verification: an image that failed is kept as NAME.raw.rejected, one that could not be verified as
    NAME.raw.unverified. An older result stays until there is a new one. Nothing is begun unless all recipes are right.
    Several recipes are built side by side; what they share (a tree, the test host) is made once.

    \b
    Examples:
      imagebuild build recipes/debian-12-hd0.yaml
      imagebuild build recipes/*.yaml -o out --keep-going
      imagebuild build web.yaml --set release=bookworm --with static,qemu
    """
    if no_verify and (machines is not None or demand is not None):
        raise typer.BadParameter("--no-verify goes neither with --with nor with --require")

    from imagebuild.cli.build import BuildOptions, build_recipes
    from imagebuild.cli.verify import chosen_machines

    options = BuildOptions(
        output=output,
        machines=chosen_machines(machines),
        verify=not no_verify,
        keep_going=keep_going,
        locked=locked,
        force=force,
        debug=debug,
        pv_grub=pv_grub,
        demand=demand,
        sign_key=sign_key,
        jobs=jobs,
    )
    return build_recipes(recipes, settings or [], options, context.obj.hands())
