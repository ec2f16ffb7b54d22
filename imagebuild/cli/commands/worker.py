"""`worker`: this machine, offered to a scheduler."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imagebuild.cli.options import Debug, Jobs


def worker(
    context: typer.Context,
    scheduler: Annotated[
        str,
        typer.Argument(
            metavar="ADDRESS", help="Address of the scheduler, such as tcp://host:8786.", show_default=False
        ),
    ],
    jobs: Jobs = 0,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Name of this worker in the scheduler.")] = "",
    folder: Annotated[
        Path | None,
        typer.Option("--directory", metavar="DIR", help="Directory for dask's own files (default: in the cache)."),
    ] = None,
    debug: Debug = False,
) -> int:
    """Check what this machine can do (build, appliance, QEMU, Xen, KVM) and run such builds until stopped.

    A worker that dies is restarted; meanwhile its build moves to another machine.

    \b
    Examples:
      dask scheduler                                # on one machine
      imagebuild worker tcp://build0:8786           # on every machine that builds
    """

    from imagebuild.cli.signals import unhurried
    from imagebuild.cli.terminal import say
    from imagebuild.errors import OK, Interrupted
    from imagebuild.host.cache import Cache
    from imagebuild.nightly.extra import require_extra
    from imagebuild.nightly.worker import WorkerRequest, jobs_here, offered, probe, serve

    require_extra()
    request = WorkerRequest(scheduler, jobs or jobs_here(), name, folder)
    resources = offered(probe(Cache()), request.jobs)
    offer = ", ".join(f"{word}={count:g}" for word, count in resources.items())
    say([[(f"working for {scheduler}: {offer}", "")]])
    unhurried()
    try:
        serve(request, resources)
    except KeyboardInterrupt:
        return Interrupted.exit_code
    return OK
