"""Temporary directories that outlive no run: removed at the end, and after SIGKILL by the next imagebuild that wants
one.

A directory is locked (flock) as long as the process lives that made it, however that dies: one whose lock is free is a
dead run's. It gets its name only once it is locked, so nobody can take a new one for dead.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from imagebuild.host import namespace

_PREFIX = "imagebuild-scratch-"
_NAME = re.compile(re.escape(_PREFIX) + r"[a-z0-9_]{8}")
_swept: set[Path] = set()


@contextlib.contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """A new directory, empty and the user's alone, below `parent` (default: where temporary files go, TMPDIR).

    The first one of a process removes what dead runs have left there.
    """
    parent = parent or Path(tempfile.gettempdir())
    if parent not in _swept:
        _swept.add(parent)
        sweep(parent)
    unnamed = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}", dir=parent))
    directory = parent / unnamed.name[1:]
    handle = os.open(unnamed, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        unnamed.rename(directory)
        yield directory
    finally:
        _remove(directory)
        os.close(handle)


def sweep(parent: Path) -> None:
    """Remove the directories below `parent` that this user's dead runs have left."""
    for directory in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if _NAME.fullmatch(directory.name) and directory.lstat().st_uid == os.geteuid():
                _remove_if_dead(directory)


def _remove_if_dead(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError: it is in use
        _remove(directory)
    finally:
        os.close(handle)


def _remove(directory: Path) -> None:
    for place, _directories, _files in os.walk(directory):
        with contextlib.suppress(OSError):  # an unpacked tree's directories may be read-only
            Path(place).chmod(0o700)
    namespace.remove_tree(directory)
