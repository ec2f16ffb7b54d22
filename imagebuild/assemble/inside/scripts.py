"""Runs a recipe's script inside the tree: in namespaces of its own, for a limited time, with its output in our log."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from imagebuild.assemble.inside.script_sandbox import Sandbox
from imagebuild.errors import BuildError
from imagebuild.host import command
from imagebuild.plan.system_vocabulary import RunScript

_KILLED = -9


def run_script(tree: Path, step: RunScript, recipe_directory: Path, epoch: int) -> None:
    """Raises BuildError that names the script and how it ended, with the last lines of its output.

    Every process that it has started has ended then, too: it was process 2 of a namespace.
    """
    sandbox = Sandbox(
        tree=tree,
        script=recipe_directory / step.source,
        arguments=step.arguments,
        environment={"SOURCE_DATE_EPOCH": str(epoch), **step.environment},
        hostname=step.hostname,
        network=step.network,
    )
    argv = ["unshare", "--mount", "--pid", "--uts", "--ipc", *([] if step.network else ["--net"])]
    argv += ["--fork", "--kill-child", sys.executable, "-m", "imagebuild.assemble.inside.script_sandbox"]
    log: command.Sink = print
    log(f"script {step.source}")
    begun = time.monotonic()
    ended = command.attempt(argv, stdin=sandbox.model_dump_json(), timeout_seconds=step.timeout_seconds, log=log)
    if ended.exit_code == 0:
        return
    if ended.exit_code == _KILLED and time.monotonic() - begun >= step.timeout_seconds:
        how = f"did not end within {step.timeout_seconds:g} s"
        resolution = "give it more time with timeout if it is only slow; it cannot ask questions: its input is empty"
    else:
        code = ended.exit_code
        how = f"was ended by signal {code - 128}" if code > 128 else f"ended with exit code {code}"
        resolution = "the build log has all of its output"
        if not step.network:
            resolution += "; it had no network: if it needs some, say network: true"
    raise BuildError(f"scripts: {step.source} {how}", details=ended.tail(), resolution=resolution)
