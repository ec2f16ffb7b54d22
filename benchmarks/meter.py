"""Runs one command and says what it cost: `python meter.py RESULT LIMIT_SECONDS PROGRAM [ARGUMENT…]`.

RESULT is a JSON file: exit_code, seconds, cpu_seconds (user and system, of all descendants), peak_memory_bytes and
written_bytes. The command's output goes to our own.

Memory is what cannot be dropped: anonymous pages and files in memory (tmpfs) of the command's control group, sampled
five times a second; where no group can be made, the largest process alone (getrusage(2)). Written is what processes
handed to filesystems on storage, less what was deleted before it got there (proc(5), /proc/PID/io: a parent's numbers
include those of the children that it has waited for).
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_V1, _V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
_PAUSE_SECONDS = 0.2
_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")  # nothing goes on when we are killed


class Group:
    """A control group for the command; `peak_bytes` grows while it is sampled."""

    def __init__(self) -> None:
        version2 = (_V2 / "cgroup.controllers").is_file()
        self._keys = ("anon", "shmem") if version2 else ("total_rss", "total_shmem")
        self._folder: Path | None = (_V2 if version2 else _V1) / f"imagebuild-bench-{os.getpid()}"
        self.peak_bytes = 0
        self._over = threading.Event()
        try:
            self._folder.mkdir()
            (self._folder / "cgroup.procs").write_text(str(os.getpid()))
            (self._folder / "memory.stat").read_text()
        except OSError:
            self._folder = None

    def sample(self) -> None:
        while self._folder and not self._over.wait(_PAUSE_SECONDS):
            with contextlib.suppress(OSError, ValueError, KeyError):
                lines = (self._folder / "memory.stat").read_text().splitlines()
                numbers = {key: int(value) for key, value in (line.split() for line in lines)}
                self.peak_bytes = max(self.peak_bytes, sum(numbers[key] for key in self._keys))

    def end(self) -> None:
        self._over.set()
        if self._folder:
            with contextlib.suppress(OSError):
                (self._folder.parent / "cgroup.procs").write_text(str(os.getpid()))
                self._folder.rmdir()


def main(argv: list[str]) -> int:
    result, limit, *words = argv
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    group = Group()
    sampler = threading.Thread(target=group.sample, daemon=True)
    sampler.start()
    start = time.monotonic()
    process = subprocess.Popen([*_WITH_US, *words], stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        exit_code = process.wait(timeout=float(limit))
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        exit_code = process.wait() and -9
    seconds = time.monotonic() - start
    _reap(process.pid)
    group.end()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    numbers = {
        "exit_code": exit_code,
        "seconds": seconds,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "peak_memory_bytes": group.peak_bytes or used.ru_maxrss * 1024,
        "written_bytes": _written(),
    }
    Path(result).write_text(json.dumps(numbers))
    return exit_code & 0xFF


def _reap(session: int) -> None:
    """End what the command left running in its session, and collect everything that has ended."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(session, signal.SIGKILL)
    end = time.monotonic() + 5
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < end:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.05)


def _written() -> int:
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return max(int(fields["write_bytes"]) - int(fields["cancelled_write_bytes"]), 0)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
