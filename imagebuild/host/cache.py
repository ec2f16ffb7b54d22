"""Content-addressed entries on disk: made once, shared by all builds, never half there.

    ROOT/KIND/DIGEST/       a finished entry: a folder of files that belong to the user
    ROOT/partial/           entries being made; what a crash left is removed by the next maker of that entry
    ROOT/locks/             one lock file for each entry, held (flock) while it is made

The lock belongs to the process: the kernel drops it when the process dies, however it dies.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from imagebuild.errors import HostError

ENVIRONMENT_VARIABLE = "IMAGEBUILD_CACHE"


def default_root() -> Path:
    """$IMAGEBUILD_CACHE, or imagebuild/ in the user's cache folder (XDG base directory specification)."""
    if chosen := os.environ.get(ENVIRONMENT_VARIABLE):
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "imagebuild"


class Cache:
    """The store under `root`. Safe to use from several processes at once."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or default_root()

    def path(self, kind: str, digest: str) -> Path:
        """Where the entry is, or would be."""
        return self.root / kind / digest

    def find(self, kind: str, digest: str) -> Path | None:
        """The finished entry, or None."""
        path = self.path(kind, digest)
        return path if path.is_dir() else None

    def get(self, kind: str, digest: str, make: Callable[[Path], None]) -> tuple[Path, bool]:
        """The entry's folder, and whether it was there already; else `make(folder)` fills a new one.

        A `make` that raises leaves nothing behind. Another process that wants the same entry waits.
        """
        with self.lock(kind, digest):
            if found := self.find(kind, digest):
                os.utime(found)  # "last used", for pruning
                return found, True
            partial = self.root / "partial" / f"{kind}-{digest}"
            shutil.rmtree(partial, ignore_errors=True)  # what a killed process left; we hold the lock
            partial.mkdir(parents=True)
            try:
                make(partial)
                final = self.path(kind, digest)
                final.parent.mkdir(parents=True, exist_ok=True)
                partial.rename(final)
            except BaseException:
                shutil.rmtree(partial, ignore_errors=True)
                raise
            return final, False

    @contextlib.contextmanager
    def lock(self, kind: str, digest: str) -> Iterator[None]:
        """Hold the entry's lock. Raises HostError when the cache cannot be written."""
        folder = self.root / "locks"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(folder / f"{kind}-{digest}", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise HostError(
                f"the cache {self.root} cannot be written: {error.strerror}",
                resolution=f"free some space or permit writing there, or name another folder in {ENVIRONMENT_VARIABLE}",
            ) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
