"""One night at a time on one output: a file's lock where there is a disk, an object with a beating heart elsewhere.

No clocks are compared: whoever finds the object watches for some heartbeats whether it changes.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from imagebuild.errors import BuildError

BEAT_SECONDS = 20.0
_MISSED_BEATS = 3


class Files(Protocol):
    url: str

    def read(self, name: str) -> bytes | None: ...
    def write(self, name: str, content: bytes) -> None: ...
    def remove(self, name: str) -> None: ...


def _refusal(where: object) -> BuildError:
    return BuildError(
        f"another run is writing into {where}",
        resolution="wait until it has ended, or choose another output directory with -o",
    )


@contextlib.contextmanager
def hold_file(path: Path) -> Iterator[None]:
    """Hold flock(2) on a file; the kernel gives it back however we end. Raises BuildError when somebody has it."""
    handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _refusal(path.parent) from None
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def hold_object(files: Files, name: str, beat_seconds: float = BEAT_SECONDS) -> Iterator[None]:
    """Hold a lock object: a dead night's is taken over when it has not changed for three heartbeats.

    Of two that come at the same moment, the one whose object is still there after another heartbeat has it.
    """
    pause, ours = threading.Event(), uuid.uuid4().hex
    found = files.read(name)
    if found is not None:
        pause.wait(_MISSED_BEATS * beat_seconds)
        if files.read(name) not in (found, None):
            raise _refusal(files.url)
    files.write(name, f"{ours} 0".encode())
    pause.wait(beat_seconds / 4)
    if not (files.read(name) or b"").startswith(ours.encode()):
        raise _refusal(files.url)
    ended = threading.Event()
    heart = threading.Thread(target=_beat, args=(files, name, ours, beat_seconds, ended), daemon=True)
    heart.start()
    try:
        yield
    finally:
        ended.set()
        heart.join()
        if (files.read(name) or b"").startswith(ours.encode()):
            files.remove(name)


def _beat(files: Files, name: str, ours: str, beat_seconds: float, ended: threading.Event) -> None:
    count = 0
    while not ended.wait(beat_seconds):
        count += 1
        with contextlib.suppress(Exception):  # the place may be away for a moment; the night itself will notice
            files.write(name, f"{ours} {count}".encode())
