"""Content-addressed entries on disk: made once, shared by all builds, never half there.

    ROOT/KIND/DIGEST/       a finished entry: a directory of files that belong to the user, and their digests (`SUMS`)
    ROOT/partial/           entries being made; what a crash left is removed by the next run (leftovers.py)
    ROOT/locks/             one lock file for each entry, held (flock) while it is made

An entry whose files do not have the sizes that were noted is made again on its next use; `damage` reads every byte.
What goes into an image is read so while it is used (checked_entry.py).

The lock belongs to the process: the kernel drops it when the process dies, however it dies.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import stat
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from imagebuild.errors import HostError
from imagebuild.host import leftovers
from imagebuild.host.cache_kinds import Kind
from imagebuild.host.digest import image_sha256

ENVIRONMENT_VARIABLE = "IMAGEBUILD_CACHE"


def default_root() -> Path:
    """$IMAGEBUILD_CACHE, or imagebuild/ in the user's cache directory (XDG base directory specification)."""
    if chosen := os.environ.get(ENVIRONMENT_VARIABLE):
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "imagebuild"


SUMS = ".sums.json"
_PAUSE_SECONDS = 0.1
_ROOT_MODE = 0o700  # whatever the umask says


@dataclass(frozen=True, slots=True)
class Entry:
    """One finished entry. `used` is when it was last wanted (seconds since 1970), `size_bytes` what it occupies."""

    kind: str
    digest: str
    path: Path
    size_bytes: int
    used: float


class Cache:
    """The store under `root`. Safe to use from several processes at once."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or default_root()

    def path(self, kind: Kind, digest: str) -> Path:
        """Where the entry is, or would be."""
        return self.root / kind / digest

    def find(self, kind: Kind, digest: str) -> Path | None:
        """The finished entry, or None; one whose files do not have their sizes counts as not there."""
        path = self.path(kind, digest)
        return path if path.is_dir() and _sizes_agree(path) else None

    def content_digest(self, kind: Kind, digest: str) -> str:
        """sha256 of a finished entry's list of digests: of what it holds, where its key says only where that is from.

        Raises OSError when there is no such entry.
        """
        return hashlib.sha256((self.path(kind, digest) / SUMS).read_bytes()).hexdigest()

    def get(self, kind: Kind, digest: str, make: Callable[[Path], None]) -> tuple[Path, bool]:
        """The entry's directory, and whether it was there already; else `make(directory)` fills a new one.

        A `make` that raises leaves nothing behind. Another process that wants the same entry waits. Until this process
        ends, nobody removes the entry. Raises HostError when the cache cannot be written.
        """
        with self._lock(kind, digest) as handle:
            while True:
                fcntl.flock(handle, fcntl.LOCK_SH)  # those who only read do not wait for each other, but for the maker
                found = self.find(kind, digest)
                if found is None:
                    _release(self.path(kind, digest))  # or we would wait for ourselves
                    if not _locked_alone(handle):
                        # Made this moment, and kept by its maker until that ends: to wait for the lock would be to wait
                        # for that end. Or a damaged one is still in use.
                        time.sleep(_PAUSE_SECONDS)
                        continue
                    found = self.find(kind, digest)  # made by another process between the two locks
                break
            if found is not None:
                os.utime(found)  # "last used", for pruning
                _keep(found, handle)
                return found, True
            final = self._make(kind, digest, make)
            _keep(final, handle)
            return final, False

    def _make(self, kind: Kind, digest: str, make: Callable[[Path], None]) -> Path:
        partial = self.root / "partial" / f"{kind}-{digest}"
        shutil.rmtree(partial, ignore_errors=True)  # what a killed process left; we hold the lock
        partial.mkdir(parents=True)
        try:
            make(partial)
            (partial / SUMS).write_text(json.dumps(_sums(partial), indent=1), encoding="utf-8")
            final = self.path(kind, digest)
            final.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(final, ignore_errors=True)  # only a damaged one can be there
            partial.rename(final)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        return final

    def entries(self) -> list[Entry]:
        """Every finished entry, the one that was not wanted for the longest time first; an older imagebuild's, too."""
        found = []
        for directory in self.root.glob("*/*"):
            if directory.is_dir() and (directory.parent.name in get_args(Kind) or (directory / SUMS).exists()):
                with contextlib.suppress(FileNotFoundError):  # another process may prune at the same time
                    size = sum(path.lstat().st_blocks * 512 for path in directory.rglob("*"))
                    found.append(
                        Entry(directory.parent.name, directory.name, directory, size, directory.stat().st_mtime)
                    )
        return sorted(found, key=lambda entry: entry.used)

    def prune(self, max_size_bytes: int, *, kind: Kind | None = None, wanted: Path | None = None) -> list[Entry]:
        """Remove the entries that were not wanted for the longest time until the rest fits; returns the removed ones.

        `kind`: only among these. One that is being made or looked for at this moment stays, and so does `wanted`.
        """
        entries = [entry for entry in self.entries() if kind in (None, entry.kind)]
        total = sum(entry.size_bytes for entry in entries)
        removed = []
        for entry in entries:
            if total <= max_size_bytes:
                break
            if entry.path != wanted and self.remove(entry):
                removed.append(entry)
                total -= entry.size_bytes
        return removed

    def remove(self, entry: Entry) -> bool:
        """Remove one entry; False when another process holds it."""
        _release(entry.path)
        with self._try_lock(entry) as held:
            if held:
                doomed = self.root / "partial" / f"{entry.kind}-{entry.digest}"
                doomed.parent.mkdir(parents=True, exist_ok=True)
                shutil.rmtree(doomed, ignore_errors=True)
                with contextlib.suppress(FileNotFoundError):
                    entry.path.rename(doomed)  # at once gone under its name, then file by file
                shutil.rmtree(doomed, ignore_errors=True)
        return held

    @contextlib.contextmanager
    def _try_lock(self, entry: Entry) -> Iterator[bool]:
        handle = os.open(self._lock_file(entry.kind, entry.digest), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(handle)

    def _make_root(self) -> None:
        """Nobody else looks into it: trees of images lie there, and what a build works on. Also one of an older run."""
        self.root.mkdir(mode=_ROOT_MODE, parents=True, exist_ok=True)
        status = self.root.stat()
        if stat.S_IMODE(status.st_mode) != _ROOT_MODE and status.st_uid == os.geteuid():
            self.root.chmod(_ROOT_MODE)

    def _lock_file(self, kind: str, digest: str) -> Path:
        self._make_root()
        directory = self.root / "locks"
        directory.mkdir(exist_ok=True)
        return directory / f"{kind}-{digest}"

    @contextlib.contextmanager
    def lock(self, kind: str, digest: str) -> Iterator[None]:
        """Hold a lock alone, an entry's or one of any other name. Raises HostError when the cache cannot be written."""
        _release(self.root / kind / digest)
        with self._lock(kind, digest) as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def _lock(self, kind: str, digest: str) -> Iterator[int]:
        """The entry's lock file, open for flock(2). Before the first, what dead runs have left is removed."""
        leftovers.sweep_once(self.root)
        try:
            handle = os.open(self._lock_file(kind, digest), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise  # a full disk is no missing permission
            raise HostError(
                f"the cache {self.root} cannot be written: {error.strerror}",
                resolution=f"make it writable, or set {ENVIRONMENT_VARIABLE} to another directory",
            ) from error
        try:
            yield handle
        finally:
            os.close(handle)


def _locked_alone(handle: int) -> bool:
    """Whether nobody else has the lock, and now we do. If not, a shared lock that we had is gone, too (flock(2))."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


# Entries that this process has asked for, each with a shared lock on it: no other process removes them meanwhile.
_locks: dict[Path, int] = {}
_keeping = threading.Lock()


def _keep(entry: Path, handle: int) -> None:
    with _keeping:
        if entry not in _locks:
            _locks[entry] = os.dup(handle)  # the same open file, so the same lock; it ends with the last of the two
    fcntl.flock(handle, fcntl.LOCK_SH)


def _release(entry: Path) -> None:
    with _keeping:
        if (handle := _locks.pop(entry, None)) is not None:
            os.close(handle)


def damage(entry: Entry, stop: threading.Event | None = None, *, added: bool = True) -> list[str]:
    """What is wrong with an entry, every byte read: a line for each file that is missing, changed or unknown.

    `added` False: without those that were added since (facts under a newer name). Raises Interrupted when `stop` is
    set.
    """
    noted = _read_sums(entry.path)
    if noted is None:
        return ["its list of digests cannot be read"]
    found = _sums(entry.path, stop)
    lines = [f"{name}: missing" for name in sorted(noted.keys() - found.keys())]
    if added:
        lines += [f"{name}: not part of the entry when it was written" for name in sorted(found.keys() - noted.keys())]
    return lines + [f"{name}: changed" for name in sorted(noted.keys() & found.keys()) if noted[name] != found[name]]


def _sums(directory: Path, stop: threading.Event | None = None) -> dict[str, list[int | str]]:
    """Size and sha256 of every regular file below the directory."""
    sums: dict[str, list[int | str]] = {}
    for path in sorted(directory.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.name != SUMS:
            sums[str(path.relative_to(directory))] = [path.stat().st_size, image_sha256(path, stop)]
    return sums


def _read_sums(directory: Path) -> dict[str, list[int | str]] | None:
    try:
        noted = json.loads((directory / SUMS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return noted if isinstance(noted, dict) else None


def _sizes_agree(directory: Path) -> bool:
    noted = _read_sums(directory)
    if noted is None:
        return False
    try:
        return all((directory / name).stat().st_size == size for name, (size, _digest) in noted.items())
    except (OSError, ValueError, TypeError):
        return False
