"""`build`: recipes in, verified images out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imagebuild.cli.options import (
    AsJson,
    Debug,
    Demand,
    Jobs,
    Locked,
    PvGrub,
    Quiet,
    Recipes,
    Settings,
    SignKey,
    Verbose,
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
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Write the image to DIR/NAME/.")] = Path(
        "out"
    ),
    settings: Settings = None,
    locked: Locked = False,
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Do not verify; the verdict is then 'unverified'.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Build and verify even if nothing changed.")] = False,
    update: Annotated[
        bool, typer.Option("--update", help="First ask the archive for newer packages; rebuild if there are any.")
    ] = False,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="After a failure, continue with the next recipe.")
    ] = False,
    machines: With = None,
    pv_grub: PvGrub = None,
    demand: Demand = None,
    sign_key: SignKey = None,
    jobs: Jobs = 0,
    quiet: Quiet = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Build images and verify each: other tools read it back, then it boots under QEMU and Xen to its login prompt.

    DIR/NAME/ then holds NAME.raw (sparse) and the recipe's other outputs, SHA256SUMS, report.html (open it in a
    browser), report.json, junit.xml, packages.json, plan.json, SBOMs (SPDX, CycloneDX), provenance.json, build.log and
    one console log for each boot. NAME.raw is an image that booted: one that failed is named NAME.raw.rejected, one
    that no boot has proven (--with static, --no-verify, or it could not be verified) NAME.raw.unverified. The earlier
    result stays until a new one replaces it. No build starts until every recipe is valid. Several recipes are built in
    parallel; what they share (a tree, the test host) is made once.

    \b
    Examples:
      imagebuild build recipes/debian-12-hd0.yaml
      imagebuild build recipes/*.yaml -o out --keep-going
      imagebuild build web.yaml --set release=bookworm --with static,qemu
    """
    if update and locked:
        raise typer.BadParameter(
            "--update cannot be combined with --locked: use `imagebuild lock --update` for a newer lock"
        )
    if no_verify and (machines is not None or demand is not None):
        raise typer.BadParameter("--no-verify cannot be combined with --with or --require")

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
    return _carry_out(request, context.obj.toolbox(), _Shown(quiet, verbose, as_json))


@dataclass(frozen=True, slots=True)
class _Shown:
    """How much is printed, and in which form."""

    quiet: bool
    verbose: bool
    as_json: bool


def _carry_out(request: BuildRequest, toolbox: Toolbox, shown: _Shown) -> int:
    """All recipes, or none: nothing begins unless all of them are right."""
    from imagebuild.cli import summary
    from imagebuild.cli.commands.cache import trim_cache
    from imagebuild.cli.ending import report, worst
    from imagebuild.cli.result_json import print_json
    from imagebuild.cli.terminal import say
    from imagebuild.operations.build import prepare
    from imagebuild.operations.side_by_side import at_once

    prepared = prepare(request, toolbox)
    if prepared.refused:
        return worst(report(error) for _, error in prepared.refused)
    jobs = prepared.jobs
    count = at_once(len(jobs), request.jobs) if len(jobs) > 1 and request.jobs != 1 and not shown.verbose else 1
    if count > 1:
        results = _side_by_side(jobs, request, toolbox, shown, count)
    else:
        results = list(_one_by_one(jobs, request, toolbox, shown))
    if shown.as_json:
        print_json([_facts(result, request) for result in results])
    elif len(jobs) > 1 and not shown.quiet:
        say(summary.table(results))
    trim_cache()
    return worst(result.code for result in results if result.code is not None)


def _facts(result: BuildResult, request: BuildRequest) -> dict[str, object]:
    from imagebuild.cli.result_json import image_facts

    if result.report is None or result.code is None:
        why = result.failure.lines if result.failure else tuple(result.said.splitlines())
        return {"name": result.name, "verdict": None, "exit_code": result.code, "error": list(why)}
    folder = request.output / result.name
    return {
        **image_facts(result.report, folder, seconds=result.seconds, exit_code=result.code),
        "unchanged": result.unchanged,
    }


def _side_by_side(
    jobs: Sequence[Job], request: BuildRequest, toolbox: Toolbox, shown: _Shown, count: int
) -> list[BuildResult]:
    from imagebuild.cli.board import choose_board
    from imagebuild.cli.ending import report
    from imagebuild.operations.side_by_side import build_side_by_side

    with choose_board(request.output, quiet=shown.quiet, as_json=shown.as_json) as board:
        results, interrupted = build_side_by_side(jobs, request, board, program=toolbox.program, count=count)
    if interrupted:
        report(KeyboardInterrupt())
    return results


def _one_by_one(jobs: Sequence[Job], request: BuildRequest, toolbox: Toolbox, shown: _Shown) -> Iterator[BuildResult]:
    from imagebuild.cli.terminal import say
    from imagebuild.errors import OK, Interrupted
    from imagebuild.operations.build import BuildResult

    ended = False
    for number, job in enumerate(jobs, start=1):
        if ended:
            yield BuildResult(job.name, code=None)
            continue
        if len(jobs) > 1 and not (shown.quiet or shown.as_json):
            say([[], [(f"{job.name} ({number} of {len(jobs)})", "bold")]])
        result = _one(job, request, toolbox, shown)
        ended = result.code == Interrupted.exit_code or (result.code != OK and not request.keep_going)
        yield result


def _one(job: Job, request: BuildRequest, toolbox: Toolbox, shown: _Shown) -> BuildResult:
    """One recipe, shown: its stages, then why it failed, then its result."""
    from imagebuild.cli import summary
    from imagebuild.cli.ending import report_failure
    from imagebuild.cli.terminal import display_for, say, showing
    from imagebuild.operations.build import build_job

    with showing(display_for(quiet=shown.quiet, verbose=shown.verbose, as_json=shown.as_json)) as display:
        result = build_job(job, request, toolbox, display)
    if result.failure:
        report_failure(result.failure, debug=request.debug)
    if result.report and not (shown.quiet or shown.as_json):
        block = summary.unchanged if result.unchanged else summary.block
        say(block(result.report, request.output / job.name, result.seconds))
        if result.packages:
            say(summary.packages(result.packages))
    return result
