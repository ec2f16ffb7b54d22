"""Temporary folders that outlive no run: removed at the end, and after SIGKILL by the next imagebuild that wants one.

A folder is locked (flock) as long as the process lives that made it, however that dies: one whose lock is free is a
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
    """A new folder, empty and the user's alone, below `parent` (default: where temporary files go, TMPDIR).

    The first one of a process removes what dead runs have left there.
    """
    parent = parent or Path(tempfile.gettempdir())
    if parent not in _swept:
        _swept.add(parent)
        sweep(parent)
    unnamed = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}", dir=parent))
    folder = parent / unnamed.name[1:]
    handle = os.open(unnamed, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        unnamed.rename(folder)
        yield folder
    finally:
        _remove(folder)
        os.close(handle)


def sweep(parent: Path) -> None:
    """Remove the folders below `parent` that this user's dead runs have left."""
    for folder in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if _NAME.fullmatch(folder.name) and folder.lstat().st_uid == os.geteuid():
                _remove_if_dead(folder)


def _remove_if_dead(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError: it is in use
        _remove(folder)
    finally:
        os.close(handle)


def _remove(folder: Path) -> None:
    for place, _folders, _files in os.walk(folder):
        with contextlib.suppress(OSError):  # an unpacked tree's folders may be read-only
            Path(place).chmod(0o700)
    namespace.remove_tree(folder)
