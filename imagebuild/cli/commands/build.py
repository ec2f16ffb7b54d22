"""`build`: recipes in, verified images out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imagebuild.cli.options import (
    Debug,
    Demand,
    Jobs,
    Locked,
    PvGrub,
    Recipes,
    Settings,
    SignKey,
    With,
    chosen_machines,
)

if TYPE_CHECKING:
    from imagebuild.operations.build import BuildResult
    from imagebuild.operations.jobs import BuildRequest, Job
    from imagebuild.operations.toolbox import Toolbox


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
    update: Annotated[
        bool,
        typer.Option("--update", help="Ask the archive for newer packages first; rebuild where there are any."),
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
    if update and locked:
        raise typer.BadParameter("--update does not go with --locked: use `imagebuild lock --update` for a newer lock")
    if no_verify and (machines is not None or demand is not None):
        raise typer.BadParameter("--no-verify goes neither with --with nor with --require")

    from imagebuild.operations.jobs import BuildRequest
    from imagebuild.operations.recipes import parse_settings

    request = BuildRequest(
        recipes=tuple(recipes),
        output=output,
        settings=parse_settings(settings or []),
        machines=chosen_machines(machines),
        verify=not no_verify,
        keep_going=keep_going,
        locked=locked,
        force=force,
        update=update,
        pv_grub=pv_grub,
        demand=demand,
        sign_key=sign_key,
        jobs=jobs,
        debug=debug,
    )
    return carry_out(request, context.obj.toolbox())


def carry_out(request: BuildRequest, toolbox: Toolbox) -> int:
    """All recipes, or none: nothing begins unless all of them are right."""
    from imagebuild.cli import summary
    from imagebuild.cli.ending import report, worst
    from imagebuild.cli.terminal import say
    from imagebuild.operations.build import prepare
    from imagebuild.operations.side_by_side import at_once

    prepared = prepare(request, toolbox)
    if prepared.refused:
        return worst(report(error) for _, error in prepared.refused)
    jobs = prepared.jobs
    count = at_once(len(jobs), request.jobs) if len(jobs) > 1 and request.jobs != 1 else 1
    results = _side_by_side(jobs, request, toolbox, count) if count > 1 else list(_one_by_one(jobs, request, toolbox))
    if len(jobs) > 1:
        say(summary.table(results))
    return worst(result.code for result in results if result.code is not None)


def _side_by_side(jobs: Sequence[Job], request: BuildRequest, toolbox: Toolbox, count: int) -> list[BuildResult]:
    from imagebuild.cli.board import choose_board
    from imagebuild.cli.ending import report
    from imagebuild.operations.side_by_side import build_side_by_side

    with choose_board(request.output) as board:
        results, interrupted = build_side_by_side(jobs, request, board, program=toolbox.program, count=count)
    if interrupted:
        report(KeyboardInterrupt())
    return results


def _one_by_one(jobs: Sequence[Job], request: BuildRequest, toolbox: Toolbox) -> Iterator[BuildResult]:
    from imagebuild.cli.terminal import say
    from imagebuild.errors import OK, Interrupted
    from imagebuild.operations.build import BuildResult

    ended = False
    for number, job in enumerate(jobs, start=1):
        if ended:
            yield BuildResult(job.name, code=None)
            continue
        if len(jobs) > 1:
            say([[], [(f"{job.name} ({number} of {len(jobs)})", "bold")]])
        result = _one(job, request, toolbox)
        ended = result.code == Interrupted.exit_code or (result.code != OK and not request.keep_going)
        yield result


def _one(job: Job, request: BuildRequest, toolbox: Toolbox) -> BuildResult:
    """One recipe, shown: its stages, then why it failed, then its result."""
    from imagebuild.cli import summary
    from imagebuild.cli.ending import report_failure
    from imagebuild.cli.terminal import OnDemand, choose_display, say, showing
    from imagebuild.operations.build import build_job

    with showing(OnDemand(choose_display)) as display:
        result = build_job(job, request, toolbox, display)
    if result.failure:
        report_failure(result.failure, debug=request.debug)
    if result.report:
        shown = summary.unchanged if result.unchanged else summary.block
        say(shown(result.report, request.output / job.name, result.seconds))
        if result.packages:
            say(summary.packages(result.packages))
    return result
