"""The process beside the fence: builds it, watches its limits, and ends everything that is inside.

Started by door.py as `unshare … python -m imagebuild.host.fence.supervise RESULT`, with a Program as JSON on standard
input: process 1 of a namespace that holds nothing else. RESULT is an open descriptor, for a Result as JSON. What the
program prints goes to our own output.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from imagebuild.errors import ImagebuildError
from imagebuild.host import command
from imagebuild.host.fence import bubblewrap, calls, nobody, scope
from imagebuild.host.fence.request import Limit, Limits, Program, Result
from imagebuild.host.fence.watch import PAUSE_SECONDS, Watch

# The kernel's own limits stand beyond those that are watched: they hold what is faster than the watch.
_BEYOND = 2
# proc(5), oom_score_adj: when memory is out, the kernel ends these first.
_ENDED_FIRST = "1000"


def main(argv: Sequence[str]) -> int:
    answer = int(argv[0])
    os.set_inheritable(answer, False)
    program = Program.model_validate_json(sys.stdin.read())
    os.umask(0o022)
    try:
        result = _run(program)
    except ImagebuildError as error:
        result = Result(trouble=error.brief)
    except OSError as error:
        result = Result(trouble=str(error))
    os.write(answer, result.model_dump_json().encode())
    return 0


def _run(program: Program) -> Result:
    watch = Watch(program.limits, program.tree)
    script = None if program.script is None else os.open(program.script, os.O_RDONLY | os.O_CLOEXEC)
    status, told = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        _become(program, told, script)
    os.close(told)
    answers = _Status(status)
    limit = _wait(child, watch, answers, program.limits.seconds)
    _end_all()
    return Result(exit_code=None if limit else answers.number("exit-code"), limit=limit)


def _arguments_file(words: Sequence[str]) -> int:
    """bubblewrap's options, where no list of processes shows them: an environment may hold a secret."""
    descriptor = os.memfd_create("arguments", os.MFD_CLOEXEC)
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(b"".join(os.fsencode(word) + b"\0" for word in words))
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _become(program: Program, told: int, script: int | None) -> None:
    """Never returns: this process becomes bubblewrap."""
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and a child would, too
            signal.signal(number, signal.SIG_DFL)
        bwrap = command.require("bwrap", "bubblewrap")
        filters = calls.filter_file()
        namespace = nobody.show(program.tree)
        root = program.tree if namespace is None else nobody.PLACE
        arguments = _arguments_file(bubblewrap.options(program, root, calls=filters, status=told, script=script))
        _limit(program.limits)
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        for descriptor in (arguments, filters, told, *([] if script is None else [script])):
            os.set_inheritable(descriptor, True)
        scope.close()
        if namespace is not None:
            nobody.enter(namespace)
        os.chdir("/")
        argv = ["bwrap", "--args", str(arguments), "--", *program.argv]
        os.execve(bwrap, argv, {"PATH": os.environ.get("PATH", "/usr/bin:/bin")})
    except BaseException as error:
        os.write(1, f"the fence cannot be made: {error}\n".encode("utf-8", "replace"))
    os._exit(1)


def _limit(limits: Limits) -> None:
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_DATA, _BEYOND * limits.memory_bytes),
        (resource.RLIMIT_NPROC, _BEYOND * limits.processes),
    ):
        _soft, hard = resource.getrlimit(kind)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (allowed, allowed))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_ENDED_FIRST, encoding="ascii")


class _Status:
    """What bubblewrap tells (bwrap(1), --json-status-fd): a JSON object a line."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._text = b""

    def number(self, name: str) -> int | None:
        """The number of that name, as far as it was told."""
        with contextlib.suppress(BlockingIOError):
            while more := os.read(self._descriptor, 4096):
                self._text += more
        told = [json.loads(line) for line in self._text.splitlines(keepends=True) if line.endswith(b"\n")]
        return next((int(item[name]) for item in told if name in item), None)


def _wait(child: int, watch: Watch, status: _Status, seconds: float) -> Limit | None:
    """Wait until the program has ended (None), or exceeds a limit."""
    deadline = time.monotonic() + seconds
    while not _has_ended(child):
        if time.monotonic() >= deadline:
            return "time"
        if exceeded := watch.exceeded(status.number("child-pid")):
            return exceeded
        signal.sigtimedwait({signal.SIGCHLD}, PAUSE_SECONDS)
    return None


def _has_ended(child: int) -> bool:
    """Reap whoever has ended, also those whose parents are gone."""
    while True:
        try:
            process, _code = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return True
        if process in (0, child):
            return process == child


def _end_all() -> None:
    """Everybody but process 1, in one step (kill(2))."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
