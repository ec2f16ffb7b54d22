"""The verbs of the nightly pipeline: their options, and what --help says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imagebuild.cli.ec2 import Do
from imagebuild.cli.options import Debug, Locked, Recipes, Settings, With

Jobs = Annotated[
    int,
    typer.Option("--jobs", "-j", metavar="N", min=0, help="Recipes at once (default: as cores and memory allow)."),
]


def add_nightly_verbs(app: typer.Typer, do: Do) -> None:
    """Register the verbs; `do` keeps the work until the parser has ended."""
    _add_nightly(app, do)
    _add_worker(app, do)


def _add_nightly(app: typer.Typer, do: Do) -> None:
    @app.command(short_help="Build and verify a folder of recipes, what has changed, with one summary.")
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
    ) -> None:
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

        def work() -> int:
            from imagebuild.cli.nightly import NightlyOptions
            from imagebuild.cli.nightly import nightly as run
            from imagebuild.cli.verify import chosen_machines
            from imagebuild.nightly.model import Limits

            chosen = () if no_verify else chosen_machines(machines)
            limits = Limits(stage_limit, attempts)
            return run(recipes, settings or [], NightlyOptions(output, chosen, jobs, scheduler, limits, locked))

        do(context, work, debug=debug)


def _add_worker(app: typer.Typer, do: Do) -> None:
    @app.command(short_help="Offer this machine to the scheduler of a nightly run.")
    def worker(
        context: typer.Context,
        scheduler: Annotated[
            str, typer.Argument(metavar="ADDRESS", help="Such as tcp://host:8786.", show_default=False)
        ],
        jobs: Jobs = 0,
        name: Annotated[str, typer.Option("--name", metavar="NAME", help="How the scheduler calls it.")] = "",
        folder: Annotated[
            Path | None, typer.Option("--folder", metavar="DIR", help="For dask's own files (default: in the cache).")
        ] = None,
        debug: Debug = False,
    ) -> None:
        """Try what this machine can do, and offer that: building, the appliance, QEMU, Xen, KVM. Runs until stopped.

        One that dies is started again, and what it was building goes to another machine meanwhile.

        \b
        Examples:
          dask scheduler                                # on one machine
          imagebuild worker tcp://build0:8786           # on every machine that is to build
        """

        def work() -> int:
            from imagebuild.cli.nightly import work_for

            return work_for(scheduler, jobs=jobs, name=name, folder=folder)

        do(context, work, debug=debug)
