"""`worker`: this machine, offered to a scheduler."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imagebuild.cli.options import Debug, Jobs


def worker(
    context: typer.Context,
    scheduler: Annotated[str, typer.Argument(metavar="ADDRESS", help="Such as tcp://host:8786.", show_default=False)],
    jobs: Jobs = 0,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="How the scheduler calls it.")] = "",
    folder: Annotated[
        Path | None, typer.Option("--folder", metavar="DIR", help="For dask's own files (default: in the cache).")
    ] = None,
    debug: Debug = False,
) -> int:
    """Try what this machine can do, and offer that: building, the appliance, QEMU, Xen, KVM. Runs until stopped.

    One that dies is started again, and what it was building goes to another machine meanwhile.

    \b
    Examples:
      dask scheduler                                # on one machine
      imagebuild worker tcp://build0:8786           # on every machine that is to build
    """

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
    try:
        serve(request, resources)
    except KeyboardInterrupt:
        return Interrupted.exit_code
    return OK
