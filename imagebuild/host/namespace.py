"""Root inside a private namespace: trees with all their owners and modes, without being root outside.

As root a private mount and process namespace is enough; an ordinary user also gets a user namespace, in which
the user is root and the sub-uids of /etc/subuid are everybody else. What is mounted inside is seen by nobody else
and ends with the namespace.

A job holds a workspace, a directory whose files may belong to sub-uids. The workspace's lock file is held (flock) by
imagebuild itself: the job ends itself when that lock comes free, so even SIGKILL leaves nothing running, and the next
run knows a dead workspace by its free lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imagebuild.errors import HostError
from imagebuild.host import command
from imagebuild.host.memory import available_bytes

# For the appliance (768 MiB) and two boots (512 MiB and about 1 GiB) that may run at the same time.
_MEMORY_KEPT_FREE = 3 * 2**30


@dataclass(frozen=True, slots=True)
class Workspace:
    """`directory` is empty at first; `lock` is the file whose flock says that we are alive."""

    directory: Path
    lock: Path


def is_root() -> bool:
    return os.geteuid() == 0


def prefix(*, network: bool = False) -> list[str]:
    """The argv before a command that is to be root in a namespace of its own, without network unless asked.

    Raises HostError when this machine does not let an ordinary user do that.
    """
    argv = ["unshare", "--mount", "--pid", *([] if network else ["--net"]), "--fork", "--kill-child"]
    if is_root():
        return argv
    check_subordinate_ids()
    return [*argv, "--user", "--map-root-user", "--map-auto"]


def check_subordinate_ids() -> None:
    """Raises HostError unless newuidmap and a range of sub-uids are there for this user (subuid(5))."""
    command.require("newuidmap", "uidmap")
    user = _user_names()
    for name in ("/etc/subuid", "/etc/subgid"):
        path = Path(name)
        owners = [line.split(":")[0] for line in path.read_text().splitlines()] if path.is_file() else []
        if not user.intersection(owners):
            raise HostError(
                f"{name} has no range for this user, and a tree needs it for its owners",
                resolution="ask an administrator to run: usermod --add-subuids 100000-165535 "
                f"--add-subgids 100000-165535 {min(user)}",
            )


def own_ids() -> tuple[list[range], list[range]]:
    """The user and group numbers that the namespace of this user holds: their own, and their ranges (subuid(5))."""
    user = _user_names()

    def ranges(name: str) -> list[range]:
        path = Path(name)
        lines = [line.split(":") for line in path.read_text().splitlines()] if path.is_file() else []
        return [range(int(first), int(first) + int(count)) for owner, first, count in lines if owner in user]

    uid, gid = os.geteuid(), os.getegid()
    return [range(uid, uid + 1), *ranges("/etc/subuid")], [range(gid, gid + 1), *ranges("/etc/subgid")]


def _user_names() -> set[str]:
    import pwd

    names = {str(os.geteuid())}
    with contextlib.suppress(KeyError):
        names.add(pwd.getpwuid(os.geteuid()).pw_name)
    return names


@contextlib.contextmanager
def workspace(root: Path) -> Iterator[Workspace]:
    """A new workspace below `root`, removed at the end; those that dead runs left are removed first."""
    root.mkdir(parents=True, exist_ok=True)
    sweep(root)
    lock, handle = _new_lock(root)
    directory = lock.with_suffix("")
    try:
        directory.mkdir(mode=0o700)
        yield Workspace(directory, lock)
    finally:
        remove_tree(directory)
        lock.unlink(missing_ok=True)
        os.close(handle)


def _new_lock(root: Path) -> tuple[Path, int]:
    """A lock file of a new name, held: its path and its descriptor.

    Until it is held, a sweep may take it for a dead run's and remove it: then it is made again. The directory comes
    afterwards, so nobody can take a new one for dead.
    """
    while True:
        lock = root / f"tree-{secrets.token_hex(6)}.lock"
        handle = os.open(lock, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return lock, handle
        os.close(handle)


def sweep(root: Path) -> None:
    """Remove the workspaces below `root` whose owners are dead."""
    for lock in sorted(root.glob("tree-*.lock")):
        with contextlib.suppress(OSError), lock.open("rb") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            remove_tree(lock.with_suffix(""))
            lock.unlink(missing_ok=True)


def remove_tree(directory: Path) -> None:
    """Remove a directory whose files may belong to sub-uids."""
    shutil.rmtree(directory, ignore_errors=True)
    if directory.exists():
        command.attempt([*prefix(), "rm", "-rf", "--one-file-system", "--", str(directory)])


def attempt_program(
    argv: Sequence[str], space: Workspace, *, memory: bool, environment: Mapping[str, str], log: command.Sink
) -> command.Finished:
    """Run a program as root in a namespace of its own, with network, and return how it ended; it ends with us.

    Its TMPDIR is a directory of the workspace, in memory if `memory` says so.
    """
    scratch = space.directory / "scratch"
    scratch.mkdir(exist_ok=True)
    program = [*prefix(network=True), "--mount-proc", sys.executable, "-m", "imagebuild.host.lifeline", str(space.lock)]
    program.append(str(scratch) if memory else "")
    return command.attempt([*program, *argv], environment={"TMPDIR": str(scratch), **environment}, log=log)


def fits_in_memory(size_bytes: int) -> bool:
    """Whether a tree of that size can be held in memory beside everything else."""
    return available_bytes() > 2 * size_bytes + _MEMORY_KEPT_FREE


def attempt_python(module: str, *, stdin: str, log: command.Sink, network: bool = False) -> command.Finished:
    """Run one of our own modules as root in a namespace, with `stdin` as its input, and return how it ended."""
    return command.attempt([*prefix(network=network), sys.executable, "-m", module], stdin=stdin, log=log)
