"""The one way to open a file that a recipe, or an index that somebody else wrote, names.

A name may lead to a pipe (open(2) waits for a writer for ever), to a terminal, to /proc or to /dev/zero (no end).
"""

from __future__ import annotations

import contextlib
import functools
import os
import stat
from io import BufferedReader
from pathlib import Path


class NotAFileError(OSError):
    """The name leads to something that is not a regular file; `strerror` says what was found."""


class TooLargeError(OSError):
    """The file is larger than anything that belongs in its place; `strerror` says how much that is."""


_KINDS = (
    (stat.S_ISDIR, "is a directory"),
    (stat.S_ISFIFO, "is a pipe"),
    (stat.S_ISSOCK, "is a socket"),
    (stat.S_ISBLK, "is a device"),
    (stat.S_ISCHR, "is a device"),
)


def open_named(path: Path | str) -> BufferedReader:
    """The regular file at `path`, open for reading. Never waits. Raises OSError, NotAFileError among them.

    O_NONBLOCK lets a pipe without a writer be opened; O_NOCTTY keeps a terminal from becoming ours (open(2)).
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            kind = next((words for test, words in _KINDS if test(status.st_mode)), "is not a regular file")
            raise NotAFileError(None, kind)
        if status.st_dev in _kernels_own():
            raise NotAFileError(None, "is a file of the kernel's (/proc, /sys), not one that anybody wrote")
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_named(path: Path, most_bytes: int) -> bytes:
    """The content of the regular file at `path`: `most_bytes` and one more at most, so that a longer one shows.

    Raises OSError.
    """
    with open_named(path) as file:
        return file.read(most_bytes + 1)


def read_whole(path: Path, most_bytes: int) -> bytes:
    """The whole content of the regular file at `path`. Raises OSError, TooLargeError among them."""
    content = read_named(path, most_bytes)
    if len(content) > most_bytes:
        raise TooLargeError(None, f"is larger than {most_bytes} bytes")
    return content


@functools.cache
def _kernels_own() -> frozenset[int]:
    """The devices of the kernel's own filesystems: their files count as regular, say that they are empty, and wait
    or go on for ever (/proc/kmsg, /proc/kcore; proc(5))."""
    found = set()
    for place in ("/proc", "/sys"):
        with contextlib.suppress(OSError):
            if os.path.ismount(place):
                found.add(os.stat(place).st_dev)  # noqa: PTH116
    return frozenset(found)
