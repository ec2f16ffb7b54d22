"""A time limit for work of many parts, in our own code, in programs and in libraries: for `diff`.

Each program that reads an image has its own limit (image/readers.py). An image that needs very many of them, and
the appliance, which waits in a C library, have this one.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

from imagebuild.errors import VerifyError

_PAUSE_SECONDS = 1.0


class _OutOfTimeError(BaseException):
    """No `except Exception` on the way swallows it."""


@contextlib.contextmanager
def at_most(seconds: float, doing: str, resolution: str) -> Iterator[None]:
    """Raises VerifyError when the block takes longer. Must run in the main thread, which signals reach.

    The block is interrupted by SIGALRM. Where that does not get through (a long call into a C library), our child
    processes are ended: the call then fails, and the handler gets its turn.
    """
    over, heard, ended = threading.Event(), threading.Event(), threading.Event()

    def interrupt(_number: int, _frame: object) -> None:
        if not heard.is_set() and not ended.is_set():
            heard.set()
            raise _OutOfTimeError

    def watch() -> None:
        if ended.wait(seconds):
            return
        over.set()
        while not ended.is_set() and not heard.is_set():
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)
            if not heard.wait(_PAUSE_SECONDS):
                _end_children()

    before = signal.signal(signal.SIGALRM, interrupt)
    watcher = threading.Thread(target=watch, name="time limit", daemon=True)
    watcher.start()
    try:
        yield
    except (Exception, _OutOfTimeError) as error:
        if over.is_set():
            raise VerifyError(f"{doing} did not end within {seconds:g} s", resolution=resolution) from error
        raise
    finally:
        ended.set()
        watcher.join()
        signal.signal(signal.SIGALRM, before)


def _end_children() -> None:
    for children in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for process in children.read_text("ascii").split():
                with contextlib.suppress(OSError):
                    os.kill(int(process), signal.SIGKILL)
