"""Reads every byte of a cache entry while it is used: a changed one must not go into an image.

The entry's own list says the sha256 of each of its files (cache.py). They are read on a thread of its own beside the
copying, which has them in memory anyway; the end of the block waits for the answer.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from imagebuild.errors import BuildError
from imagebuild.host.cache import Cache, Entry, damage


class DamagedEntryError(BuildError):
    """A cache entry is not what was put there; nothing that was made with it may be used."""

    def __init__(self, entry: Entry, what: str) -> None:
        super().__init__(
            f"the cache entry {entry.kind}/{entry.digest[:16]} is damaged: {what}",
            resolution="run: imagebuild cache verify; see whether the disk is sound",
        )
        self.entry = entry


@contextlib.contextmanager
def checked(directory: Path) -> Iterator[None]:
    """Use the entry of that directory in the block. Raises DamagedEntryError at its end, or instead of a BuildError."""
    entry = Entry(directory.parent.name, directory.name, directory, 0, 0)
    stop = threading.Event()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="checking") as pool:
        answer = pool.submit(damage, entry, stop, added=False)
        try:
            yield
        except BuildError as error:
            if lines := answer.result():
                raise DamagedEntryError(entry, lines[0]) from error
            raise
        except BaseException:
            stop.set()
            raise
        if lines := answer.result():
            raise DamagedEntryError(entry, lines[0])


def drop(error: DamagedEntryError, cache: Cache) -> bool:
    """Remove the damaged entry; False: another process uses it."""
    return cache.remove(error.entry)
