"""Work on several threads that ends when the main thread is interrupted."""

from __future__ import annotations

import concurrent.futures
import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
_PAUSE_SECONDS = 0.2
_MOST_THREADS = 8


class Start(Protocol):
    def __call__(self, work: Callable[[], T], /) -> Future[T]: ...


@contextlib.contextmanager
def threads(stop: threading.Event) -> Iterator[Start]:
    """Start work on threads of its own. Whatever ends the block, they are told to stop, and have ended after it."""
    pool = concurrent.futures.ThreadPoolExecutor(max_workers=_MOST_THREADS, thread_name_prefix="verify")
    try:
        yield pool.submit
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


def wait_for(futures: Sequence[Future[Any]]) -> None:
    """Until all are done, or one has failed; that one's error is raised. Ctrl-C gets through between two looks."""
    pending: set[Future[Any]] = set(futures)
    while pending:
        done, pending = concurrent.futures.wait(
            pending, timeout=_PAUSE_SECONDS, return_when=concurrent.futures.FIRST_EXCEPTION
        )
        for future in done:
            future.result()
