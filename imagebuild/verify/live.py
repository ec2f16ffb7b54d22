"""What a boot says while everybody waits for it: how long it runs, its limit, and its console's last line."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from imagebuild.formats.text import duration
from imagebuild.verify.console import Text

_PAUSE_SECONDS = 2.0
_TAIL_BYTES = 4096
_MOST_CHARACTERS = 100


@contextlib.contextmanager
def shown_live(console: Path, say: Callable[[str], None], limit_seconds: Callable[[], float]) -> Iterator[None]:
    """Tell `say` every few seconds, for the length of the block. `console`: the log that the boot writes."""
    ended = threading.Event()
    begin = time.monotonic()

    def watch() -> None:
        while not ended.wait(_PAUSE_SECONDS):
            say(state(time.monotonic() - begin, limit_seconds(), last_line(console)))

    thread = threading.Thread(target=watch, name="live", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def state(seconds: float, limit_seconds: float, line: str) -> str:
    said = f"last line: {line}" if line else "no console output yet"
    return f"{duration(seconds)} (limit {duration(limit_seconds)}); {said}"


def last_line(console: Path) -> str:
    """The last line that is not empty, without control sequences; empty where there is none."""
    try:
        with console.open("rb") as file:
            file.seek(max(console.stat().st_size - _TAIL_BYTES, 0))
            data = file.read(_TAIL_BYTES)
    except OSError:
        return ""
    text = Text()
    lines = text.feed(data)
    last = text.line if text.line.strip() else lines[-1] if lines else ""
    return last.strip()[:_MOST_CHARACTERS]
