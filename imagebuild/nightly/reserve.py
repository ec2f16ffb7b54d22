"""Space that a night takes from the beginning, so that a full disk still has room for the words that say so."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from imagebuild.nightly.store import Store

_BYTES = 4 * 2**20
_NAME = ".reserve.partial"


@contextlib.contextmanager
def held(store: Store) -> Iterator[None]:
    """Hold the space while the block runs; only a directory needs it."""
    if store.folder is None:
        yield
        return
    path = store.folder / _NAME
    try:
        with path.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, _BYTES)
        yield
    finally:
        path.unlink(missing_ok=True)


def give_up(store: Store) -> bool:
    """Whether there was any space left to give up."""
    if store.folder is None or not (store.folder / _NAME).exists():
        return False
    (store.folder / _NAME).unlink()
    return True
