"""Runs a recipe's script inside the tree: behind the fence, for a limited time, with its output in our log."""

from __future__ import annotations

from pathlib import Path

from imagebuild.assemble.inside.lent_files import lent
from imagebuild.assemble.inside.mountpoints import make_mountpoints
from imagebuild.errors import BuildError
from imagebuild.host import command
from imagebuild.host.fence.door import Ended, run
from imagebuild.host.fence.request import SCRIPTS, Limits, Program
from imagebuild.plan.system_vocabulary import RunScript


def run_script(tree: Path, step: RunScript, recipe_directory: Path, epoch: int, limits: Limits) -> None:
    """Raises BuildError that names the script and how it ended, with the last lines of its output.

    Every process that it has started has ended then, too.
    """
    script = recipe_directory / step.source
    program = Program(
        tree=tree,
        argv=(f"{SCRIPTS}/{script.name}", *step.arguments),
        environment={"SOURCE_DATE_EPOCH": str(epoch), **step.environment},
        limits=limits.model_copy(update={"seconds": step.timeout_seconds}),
        hostname=step.hostname,
        network=step.network,
        script=script,
    )
    make_mountpoints(tree)
    log: command.Sink = print
    log(f"script {step.source}")
    with lent(tree, network=step.network):
        ended = run(program, log)
        if not ended.well:
            raise _failed(step, script, ended)


def _failed(step: RunScript, script: Path, ended: Ended) -> BuildError:
    details = ended.tail()
    if not ended.started:
        first = script.read_bytes().split(b"\n")[0].decode("utf-8", "replace").removeprefix("#!").strip()
        details = f"the tree has no program {first}, which the script's first line names\n{details}"
    if ended.result.limit == "time":
        resolution = "give it more time with timeout if it is only slow; it cannot ask questions: its input is empty"
    elif ended.resolution:
        resolution = ended.resolution
    else:
        resolution = "the build log has all of its output"
        if not step.network:
            resolution += "; it had no network: if it needs some, say network: true"
    return BuildError(f"scripts: {step.source} {ended.how}", details=details, resolution=resolution)
