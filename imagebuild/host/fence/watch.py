"""What the programs inside use together, seen from process 1 of the namespace around them.

Linux has limits for one process and for one user (setrlimit(2)); for all together it has control groups, and those an
ordinary user or a container seldom has. So they are counted, ten times a second.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from imagebuild.host.fence.request import Limit, Limits

PAUSE_SECONDS = 0.1
# Filesystems in memory that are the programs' own.
IN_MEMORY = ("tmp", "run", "dev")
# Process 1 (this one) and bubblewrap's own two.
_NOT_COUNTED = 3


@dataclass
class Watch:
    """`tree`: counted as well where it is a filesystem in memory: `tree_bytes` were in it before."""

    limits: Limits
    tree: Path
    proc: Path = Path("/proc")
    tree_bytes: int | None = field(init=False)

    def __post_init__(self) -> None:
        self.tree_bytes = _used_bytes(self.tree) if _is_in_memory(self.tree, self.proc) else None

    def exceeded(self, inside: int | None) -> Limit | None:
        """The limit that is exceeded now. `inside`: one of the programs, whose root is the tree."""
        processes = self._processes()
        if len(processes) - _NOT_COUNTED > self.limits.processes:
            return "processes"
        used = sum(map(self._private_bytes, processes)) + self._shared_bytes() + self._files_bytes(inside)
        return "memory" if used > self.limits.memory_bytes else None

    def _processes(self) -> list[str]:
        return [name for name in os.listdir(self.proc) if name.isdigit()]  # noqa: PTH208 (thousands of them)

    def _private_bytes(self, process: str) -> int:
        """Memory that the process shares with no other (proc(5), RssAnon, in KiB)."""
        if process == "1":
            return 0
        with contextlib.suppress(OSError, ValueError):
            for line in (self.proc / process / "status").read_text("ascii", "replace").splitlines():
                if line.startswith("RssAnon:"):
                    return int(line.split()[1]) * 1024
        return 0

    def _shared_bytes(self) -> int:
        """System V's shared memory, which lives on without a process (proc(5), sysvipc/shm: rss is the 15th field)."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            lines = (self.proc / "sysvipc/shm").read_text("ascii").splitlines()[1:]
            return sum(int(line.split()[14]) for line in lines)
        return 0

    def _files_bytes(self, inside: int | None) -> int:
        used = 0 if self.tree_bytes is None else max(_used_bytes(self.tree) - self.tree_bytes, 0)
        if inside is not None and self._is_in_tree(inside):
            used += sum(_used_bytes(self.proc / str(inside) / "root" / name) for name in IN_MEMORY)
        return used

    def _is_in_tree(self, process: int) -> bool:
        """Not before bubblewrap has changed its root: its directories are this machine's until then."""
        try:
            return (self.proc / str(process) / "root").samefile(self.tree)
        except OSError:
            return False


def _used_bytes(directory: Path) -> int:
    try:
        status = os.statvfs(directory)
    except OSError:
        return 0
    return (status.f_blocks - status.f_bfree) * status.f_frsize


def _is_in_memory(tree: Path, proc: Path) -> bool:
    return dict(_mounts(proc)).get(_mountpoint(tree), "") == "tmpfs"


def _mountpoint(path: Path) -> str:
    return str(next(place for place in (path, *path.parents) if place.is_mount()))


def _mounts(proc: Path) -> Iterator[tuple[str, str]]:
    for line in (proc / "self/mounts").read_text("utf-8", "surrogateescape").splitlines():
        _source, place, kind, *_rest = line.split(" ")
        yield place.replace("\\040", " "), kind
