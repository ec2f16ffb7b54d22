"""The tree's root as nobody outside: where root builds, programs of the tree get a user namespace of their own.

Its ids are 65,536 that belong to nobody on this machine. The tree's files keep their owners: an idmapped mount shows
them to the namespace as its own (mount_setattr(2); Linux 5.12 for ext4, 6.3 for a filesystem in memory). An ordinary
user's build is in such a namespace already, in which root is that user outside.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from imagebuild.host.fence import kernel

COUNT = 65_536
# The last block of the range that systemd sets aside for containers (its UIDS-GIDS.md: 524288 to 1879048191): where
# /etc/subuid gives root no range, and nobody else this one.
_FIRST = 1_878_982_656
# Where the tree is shown to the namespace: every machine has this directory, and everybody may pass it.
PLACE = Path("/tmp")


def first_id(directory: Path = Path("/etc")) -> int | None:
    """The first of the ids for root's trees; None: there are none."""
    starts = {_start(directory / name) for name in ("subuid", "subgid")}
    start = starts.pop() if len(starts) == 1 else None
    return start if start is not None and _is_ours_to_give(start) else None


def _start(path: Path) -> int | None:
    lines = [line.split(":") for line in path.read_text().splitlines()] if path.is_file() else []
    ranges = [(owner, int(first), int(count)) for owner, first, count in (line for line in lines if len(line) == 3)]
    for owner, first, count in ranges:
        if owner in ("root", "0") and count >= COUNT:
            return first
    if any(first < _FIRST + COUNT and first + count > _FIRST for _owner, first, count in ranges):
        return None
    return _FIRST


def _is_ours_to_give(first: int, maps: tuple[str, ...] = ("uid_map", "gid_map")) -> bool:
    """Whether this process' own user namespace has all of these ids (in a container it may not)."""
    return all(
        any(
            int(inside) <= first and first + COUNT <= int(inside) + int(count)
            for inside, _outside, count in (
                line.split() for line in Path("/proc/self", name).read_text("ascii").splitlines()
            )
        )
        for name in maps
    )


def show(tree: Path) -> int | None:
    """Show the tree at PLACE to a new user namespace, and return that (a descriptor); None: not possible here.

    In a mount namespace of this process alone: whatever was at PLACE is hidden from it.
    """
    if os.geteuid() != 0 or (first := first_id()) is None:
        return None
    try:
        kernel.unshare_mounts()
        namespace = _new_namespace(first)
    except OSError:
        return None
    try:
        kernel.mount_with_ids(os.fsencode(tree), namespace, os.fsencode(PLACE))
    except OSError:
        os.close(namespace)
        return None
    return namespace


def _new_namespace(first: int) -> int:
    """A user namespace in which `first` and those after it are 0 and those after it; raises OSError."""
    made, told = os.pipe()
    waiting, go_on = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(go_on)
        _hold_new_namespace(told, waiting)
    os.close(told)
    os.close(waiting)
    try:
        if not os.read(made, 1):
            raise OSError("no user namespace can be made")
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{child}/{name}").write_text(f"0 {first} {COUNT}\n", encoding="ascii")
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(made)
        os.close(go_on)
        os.waitpid(child, 0)


def _hold_new_namespace(told: int, waiting: int) -> None:
    """Never returns: it holds the namespace until the parent has opened it."""
    with contextlib.suppress(OSError):
        kernel.unshare_user()
        os.write(told, b"1")
        os.close(told)
        os.read(waiting, 1)
    os._exit(0)


def enter(namespace: int) -> None:
    """Become root of that namespace."""
    kernel.enter_user(namespace)
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
