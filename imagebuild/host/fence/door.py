"""Runs a program of a tree behind the fence, and says how it ended."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

from imagebuild.errors import HostError
from imagebuild.host import command
from imagebuild.host.fence.limits import MEMORY_VARIABLE, PROCESSES_VARIABLE, SECONDS_VARIABLE
from imagebuild.host.fence.request import Limits, Program, Result

PROGRAM, PACKAGE = "bwrap", "bubblewrap"
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended, and what it printed. `started`: the tree has such a program."""

    result: Result
    limits: Limits
    output: str

    @property
    def well(self) -> bool:
        return self.result.exit_code == 0

    @property
    def started(self) -> bool:
        return self.result.exit_code is not None or self.result.limit is not None

    @property
    def how(self) -> str:
        """ "ended with exit code 3", for example."""
        match self.result.limit:
            case "time":
                return f"did not end within {self.limits.seconds:g} s"
            case "memory":
                return f"used more than {self.limits.memory_bytes // _MIB} MiB of memory"
            case "processes":
                return f"had more than {self.limits.processes} processes"
            case None:
                return _exit(self.result.exit_code)

    @property
    def resolution(self) -> str:
        """How a limit is raised on purpose; empty: no limit ended it."""
        match self.result.limit:
            case "time":
                return f"if it is only slow, give it more: {SECONDS_VARIABLE} is the limit in seconds"
            case "memory":
                return f"if it needs that much, allow it: {MEMORY_VARIABLE} is the limit in MiB"
            case "processes":
                return f"if it needs that many, allow them: {PROCESSES_VARIABLE} is the limit"
            case None:
                return ""

    def tail(self, lines: int = 25) -> str:
        return "\n".join(self.output.rstrip().splitlines()[-lines:])


def _exit(code: int | None) -> str:
    if code is None:
        return "could not be started"
    return f"was ended by signal {code - 128}" if code > 128 else f"ended with exit code {code}"


def run(program: Program, log: command.Sink) -> Ended:
    """Run it to its end; everything that it has started has ended then, too. It must be called as root of a namespace.

    Raises HostError where the fence cannot be made.
    """
    command.require(PROGRAM, PACKAGE)
    answer = os.memfd_create("result")
    try:
        os.set_inheritable(answer, True)
        argv = ["unshare", "--mount", "--pid", "--ipc", "--mount-proc", "--fork", "--kill-child"]
        argv += [sys.executable, "-m", "imagebuild.host.fence.supervise", str(answer)]
        finished = command.attempt(argv, stdin=program.model_dump_json(), descriptors=(answer,), log=log)
        content = os.pread(answer, 2**16, 0)
    finally:
        os.close(answer)
    result = Result.model_validate_json(content) if content else Result(trouble=finished.tail(3) or "it was killed")
    if result.trouble:
        raise HostError(
            "the fence for programs of the tree cannot be made",
            details=result.trouble,
            resolution="run: imagebuild doctor",
        )
    return Ended(result, program.limits, finished.output)
