"""`nightly`: recipes every night, on this machine or on many."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from imagebuild.cli.options import Debug, Jobs, Locked, Recipes, Settings, With, chosen_machines
from imagebuild.cli.output import say_text

if TYPE_CHECKING:
    from imagebuild.cli.terminal import Segment
    from imagebuild.nightly.model import Night

_STYLE = {
    "passed": "bold green",
    "checked-not-booted": "yellow",
    "not-verified": "yellow",
    "unchanged": "green",
    "failed": "bold red",
    "broken": "bold red",
    "unverified": "bold yellow",
    "lost": "bold yellow",
}


def nightly(
    context: typer.Context,
    recipes: Recipes,
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="DIR|URL", help="Output directory, or a URL that fsspec can write.")
    ] = "out",
    settings: Settings = None,
    locked: Locked = False,
    machines: With = None,
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Build without verifying; the summary says 'not verified'.")
    ] = False,
    no_update: Annotated[bool, typer.Option("--no-update", help="Do not ask the archives for newer packages.")] = False,
    jobs: Jobs = 0,
    scheduler: Annotated[
        str, typer.Option("--scheduler", metavar="ADDRESS", help="Dask scheduler, such as tcp://host:8786.")
    ] = "",
    stage_limit: Annotated[
        float, typer.Option("--stage-limit", metavar="SECONDS", min=0.1, help="Time limit of each stage.")
    ] = 3600,
    attempts: Annotated[
        int, typer.Option("--attempts", metavar="N", min=1, help="Attempts when the network fails.")
    ] = 3,
    keep: Annotated[
        int | None, typer.Option("--keep", metavar="N", min=1, help="Keep the results of the last N runs (see: diff).")
    ] = None,
    debug: Debug = False,
) -> int:
    """Build and verify recipes (files, or directories of *.yaml), as many in parallel as cores and memory allow.

    nightly asks each archive for newer packages and builds a recipe that holds one again (not with --locked: see
    `imagebuild lock --update`). An image that is unchanged and still verified is not built again. A build that failed
    because of the network is tried again. A recipe that is broken or hangs does not stop the others. DIR then holds
    each image's directory, summary.html (all recipes, all runs), summary.json and junit.xml. The exit code is that of
    the worst recipe.

    \b
    Examples:
      imagebuild nightly recipes/ -o /srv/images
      imagebuild nightly recipes/ -o s3://images --scheduler tcp://build0:8786
    """
    if no_verify and machines is not None:
        raise typer.BadParameter("--no-verify cannot be combined with --with")

    if keep and (scheduler or "://" in output):
        raise typer.BadParameter("--keep needs a directory (-o DIR): it cannot be combined with a URL or --scheduler")

    lines = _Lines()
    lines("", f"into {output}")  # at once: what follows takes a second to import

    from imagebuild.cli.commands.cache import trim_cache
    from imagebuild.cli.signals import unhurried
    from imagebuild.cli.terminal import say
    from imagebuild.nightly.inputs import recipes_in
    from imagebuild.nightly.model import Limits, Options
    from imagebuild.nightly.night import NightRequest, run_night
    from imagebuild.nightly.worker import jobs_here
    from imagebuild.operations.recipes import parse_settings

    parse_settings(settings or [])  # a mistake in these is the command line's, not each recipe's
    chosen = () if no_verify else chosen_machines(machines)
    options = Options(
        chosen, tuple(settings or ()), Limits(stage_limit, attempts), context.obj.toolbox().program, locked,
        update=not no_update and not locked,
    )  # fmt: skip
    files, passed_over = recipes_in(recipes)
    request = NightRequest(files, output, options, jobs or jobs_here(), scheduler, keep)
    where = f"on {scheduler}" if scheduler else f"{request.jobs} at once"
    lines("", f"{len(request.recipes)} recipes, {where}")
    for path in passed_over:
        lines("", f"skipped: {path} (a name that begins with _, or a file without `name`, is a part of recipes)")
    unhurried()
    night = run_night(request, lines)
    say(_table(night, output))
    trim_cache()
    return night.exit_code


class _Lines:
    """Whole lines on stdout from several threads, each with its time and its recipe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __call__(self, name: str, line: str) -> None:
        from imagebuild.operations.journal import now_utc, stamp

        head = f"{name}: " if name else ""
        with self._lock:
            say_text(f"{stamp(now_utc())} {head}{line}")


def _table(night: Night, output: str) -> list[Sequence[Segment]]:
    from imagebuild.cli.summary import packages_text
    from imagebuild.errors import OK
    from imagebuild.formats.text import duration, size
    from imagebuild.nightly.model import State

    width = max((len(result.name) for result in night.results), default=0)
    lines: list[Sequence[Segment]] = [[]]
    for result in night.results:
        first = result.message.splitlines()[0] if result.message and result.state is not State.UNCHANGED else ""
        tail = f"{duration(result.seconds):>12}" if result.seconds else " " * 12
        tail += f"  {size(result.real_bytes):>8}" if result.real_bytes else " " * 10
        tail += f"  {packages_text(result.packages)}" if result.packages else ""
        state = (f"{result.state.replace('-', ' '):<13}", _STYLE[result.state.value])
        lines.append([(f"{result.name:<{width}}  ", ""), state, (tail, ""), (f"  {first}" if first else "", "")])
        lines += [[(f"    {update}", "")] for update in (result.packages.updated if result.packages else ())]
    lines += [[(f"note: {note}", "yellow")] for note in night.notes]
    good = sum(result.exit_code == OK for result in night.results)
    lines.append(
        [(f"{good} of {len(night.results)} recipes passed (run {night.number}), {duration(night.seconds)}", "bold")]
    )
    return [*lines, [(f"{output.rstrip('/')}/summary.html", "")]]
