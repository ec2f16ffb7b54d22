"""Progress as plain lines on stderr, without times, and a meter for what takes minutes: the EC2 verbs'."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import TextIO

from imagebuild.formats.text import duration, printable, size
from imagebuild.report import Outcome, Stage

_STEP_PERCENT = 10


class LineProgress:
    """A Progress for verbs without a log file; safe to call from several threads."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._lock = threading.Lock()

    def stage_started(self, name: str) -> None:
        self._line(f"{name} …")

    def stage_finished(self, stage: Stage) -> None:
        self._line(f"{stage.name}: {duration(stage.seconds)}{', nothing to do' if stage.cached else ''}")

    def log(self, line: str) -> None:
        pass

    def note(self, line: str, outcome: Outcome | None = None) -> None:
        self._line(line)

    def waiting(self, name: str, line: str) -> None:
        pass

    def meter(self, name: str) -> Callable[[int, int], None]:
        """Progress by bytes: one line that moves on a terminal, a line for every tenth elsewhere."""
        shown = -1

        def show(done: int, total: int) -> None:
            nonlocal shown
            percent = 100 * done // total if total else 100
            step = percent if self._live else percent // _STEP_PERCENT * _STEP_PERCENT
            if step <= shown:
                return
            shown = step
            text = f"{name}: {step}% of {size(total)}"
            if self._live and step < 100:
                with self._lock:
                    print(f"\r\x1b[K{printable(text)}", end="", file=self._stream, flush=True)
            else:
                self._line(text)

        return show

    def _line(self, text: str) -> None:
        with self._lock:
            print(("\r\x1b[K" if self._live else "") + printable(text), file=self._stream, flush=True)
