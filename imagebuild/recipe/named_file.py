"""The one way to open a file that a recipe, or an index that somebody else wrote, names.

A name may lead to a pipe (open(2) waits for a writer for ever), to a terminal, to /proc or to /dev/zero (no end).
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO


class NotAFileError(OSError):
    """The name leads to something that is not a regular file; `strerror` says what was found."""


_KINDS = (
    (stat.S_ISDIR, "is a directory"),
    (stat.S_ISFIFO, "is a pipe"),
    (stat.S_ISSOCK, "is a socket"),
    (stat.S_ISBLK, "is a device"),
    (stat.S_ISCHR, "is a device"),
)


def open_named(path: Path) -> BinaryIO:
    """The regular file at `path`, open for reading. Never waits. Raises OSError, NotAFileError among them.

    O_NONBLOCK lets a pipe without a writer be opened; O_NOCTTY keeps a terminal from becoming ours (open(2)).
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        mode = os.fstat(handle).st_mode
        if not stat.S_ISREG(mode):
            kind = next((words for test, words in _KINDS if test(mode)), "is not a regular file")
            raise NotAFileError(None, kind)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_named(path: Path, most_bytes: int) -> bytes:
    """The content of the regular file at `path`: `most_bytes` and one more at most, so that a longer one shows.

    Raises OSError. Files of /proc count as regular ones and say that they are empty; they are read like any other.
    """
    with open_named(path) as file:
        return file.read(most_bytes + 1)
