"""The sha256 of an image, remembered beside what tells that the file is still the same: nothing is read twice.

CACHE/stamps/NAME holds one line of JSON for one file: device, inode, size, times of writing and of change (nanoseconds)
and sha256. The time of change (ctime) moves with every write and cannot be set back (stat(2)), so a file that was
touched is read again. A file that was written in the last moments is not remembered: a second write within the clock's
grain would not show (git's "racy" entries, the same problem).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import threading
import time
from pathlib import Path

from imagebuild.host.cache import Cache
from imagebuild.host.cache_kinds import MOST_STAMPS, FileKind
from imagebuild.host.digest import image_sha256
from imagebuild.limits import IMAGE

_FOLDER: FileKind = "stamps"
_SETTLED_NS = 2 * 10**9


def known_sha256(image: Path, cache: Cache) -> str:
    """The sha256 of the image's content, from memory where the file has not been touched since.

    Raises OSError, also for one that is larger than what is read (limits.py): its holes alone would take hours.
    """
    if image.stat().st_size > IMAGE.most:
        raise OSError(errno.EFBIG, f"it is larger than that: {IMAGE.exceeded}", str(image))
    path = _path(image, cache)
    before = _mark(image)
    remembered = _read(path)
    if remembered is not None and remembered[0] == before:
        return remembered[1]
    digest = image_sha256(image, threading.Event())
    _remember(path, image, before, digest)
    return digest


def remember_sha256(image: Path, cache: Cache, digest: str) -> None:
    """Keep what somebody else has found out (its file may have been renamed since, but not written)."""
    with contextlib.suppress(OSError):
        _remember(_path(image, cache), image, _mark(image), digest)


def _path(image: Path, cache: Cache) -> Path:
    return cache.root / _FOLDER / hashlib.sha256(os.fsencode(image.absolute())).hexdigest()


def _mark(image: Path) -> list[int]:
    status = image.stat()
    return [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _read(path: Path) -> tuple[list[int], str] | None:
    try:
        mark, digest = json.loads(path.read_bytes())
        return list(mark), str(digest)
    except (OSError, ValueError, TypeError):
        return None


def _remember(path: Path, image: Path, mark: list[int], digest: str) -> None:
    if _mark(image) != mark or time.time_ns() - mark[3] < _SETTLED_NS:
        return
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    with contextlib.suppress(OSError):  # it only saves time
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps([mark, digest]), encoding="ascii")
        partial.rename(path)
        forget_stamps(path.parent.parent, MOST_STAMPS)


def forget_stamps(cache_root: Path, most: int) -> int:
    """Remove all but the newest stamps; returns how many are gone. What is forgotten is only read again."""
    found = []
    for path in (cache_root / _FOLDER).glob("*"):
        with contextlib.suppress(FileNotFoundError):  # another process forgets, too
            found.append((path.stat().st_mtime, path))
    doomed = sorted(found)[: max(len(found) - most, 0)]
    for _, path in doomed:
        path.unlink(missing_ok=True)
    return len(doomed)
