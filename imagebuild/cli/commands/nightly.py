"""`nightly`: recipes every night, on this machine or on many."""

from __future__ import annotations

from typing import Annotated

import typer

from imagebuild.cli.options import Debug, Jobs, Locked, Recipes, Settings, With


def nightly(
    context: typer.Context,
    recipes: Recipes,
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="DIR|URL", help="A folder, or a place that fsspec reaches.")
    ] = "out",
    settings: Settings = None,
    locked: Locked = False,
    machines: With = None,
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Only build; the summary then says 'not verified'.")
    ] = False,
    jobs: Jobs = 0,
    scheduler: Annotated[
        str, typer.Option("--scheduler", metavar="ADDRESS", help="A dask scheduler's, such as tcp://host:8786.")
    ] = "",
    stage_limit: Annotated[
        float, typer.Option("--stage-limit", metavar="SECONDS", min=0.1, help="No stage may take longer.")
    ] = 3600,
    attempts: Annotated[
        int, typer.Option("--attempts", metavar="N", min=1, help="At most, where the network is to blame.")
    ] = 3,
    debug: Debug = False,
) -> int:
    """Build and verify recipes (files, or folders of *.yaml), as many at once as cores and memory allow.

    What is unchanged and still verified is not built again. What failed for the network's sake is tried again. A
    recipe that is broken or hangs does not stop the others. DIR then holds each image's folder, summary.html (all
    recipes, all nights), summary.json and junit.xml. The exit code is that of the worst recipe.

    \b
    Examples:
      imagebuild nightly recipes/ -o /srv/images
      imagebuild nightly recipes/*.yaml -o s3://images/nightly --scheduler tcp://build0:8786
    """
    if no_verify and machines is not None:
        raise typer.BadParameter("--no-verify does not go with --with")

    from imagebuild.cli.nightly import NightlyOptions
    from imagebuild.cli.nightly import nightly as run
    from imagebuild.cli.verify import chosen_machines
    from imagebuild.nightly.model import Limits

    chosen = () if no_verify else chosen_machines(machines)
    limits = Limits(stage_limit, attempts)
    return run(recipes, settings or [], NightlyOptions(output, chosen, jobs, scheduler, limits, locked))
