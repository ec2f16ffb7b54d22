"""What dead runs have left in the cache: removed before a run writes there, secrets first.

    ROOT/work/tree-*              workspaces (namespace.py): trees, and the password hashes of a build
    ROOT/partial/KIND-DIGEST…     entries that were never finished (cache.py)
    ROOT/stamps/*.partial         remembered digests, half written (known_digest.py)

Whose lock is free has no owner any more. What dead runs have left in TMPDIR, scratch.py removes.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import threading
import time
from pathlib import Path

from imagebuild.host import namespace

# Nothing takes so long to write them.
_STAMP_SECONDS = 3600
_ADDED = re.compile(r"\.tar\.zst$")  # what travels between machines comes beside its entry (nightly/shared.py)
_swept: set[Path] = set()
_sweeping = threading.Lock()


def sweep_once(root: Path) -> None:
    """Sweep that cache, for the first time in this process only."""
    with _sweeping:
        if root not in _swept:
            _swept.add(root)
            sweep(root)


def sweep(root: Path) -> None:
    """Remove what dead runs have left in the cache at `root`. What cannot be removed stays."""
    namespace.sweep(root / "work")
    for path in sorted((root / "partial").glob("*")):
        with contextlib.suppress(OSError):
            _remove_if_dead(path, root / "locks" / _ADDED.sub("", path.name))
    for path in (root / "stamps").glob("*.partial"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _STAMP_SECONDS:
                path.unlink()


def _remove_if_dead(path: Path, lock: Path) -> None:
    handle = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError: it is being made
        if path.is_dir() and not path.is_symlink():
            namespace.remove_tree(path)
        else:
            path.unlink()
    finally:
        os.close(handle)
