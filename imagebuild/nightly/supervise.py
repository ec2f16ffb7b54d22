"""`imagebuild build` as a process: its lines passed on as they come, ended when one of its stages takes too long."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imagebuild.host import command

# cli/terminal.py, PlainDisplay: "2026-11-24T06:33:41Z root tree …", and "… root tree: 12.3 s" when it has ended.
STAMPED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (?P<text>.*)")
_LOOK_SECONDS = 0.2
_GRACE_SECONDS = 15
_KEPT_LINES = 400


@dataclass(frozen=True, slots=True)
class Ended:
    """`hung` names the stage that took too long, else it is empty. `said` is the end of what the process printed."""

    exit_code: int
    said: str
    hung: str = ""
    seconds: float = 0.0


class Stages:
    """Which stages run, told from the lines of a build."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began: dict[str, float] = {"the beginning": clock()}

    def hear(self, line: str) -> None:
        stamped = STAMPED.fullmatch(line)
        if not stamped:
            return
        text = stamped["text"]
        if text.endswith(" …"):
            self._began.pop("the beginning", None)
            self._began[text.removesuffix(" …")] = self._clock()
            return
        for name in tuple(self._began):
            if text.startswith(f"{name}: "):
                del self._began[name]
        if not self._began:
            self._began["the time between two stages"] = self._clock()
        elif len(self._began) > 1:
            self._began.pop("the time between two stages", None)

    def longer_than(self, limit_seconds: float) -> str:
        """The stage that has been running for longer, or an empty text."""
        now = self._clock()
        for name, began in tuple(self._began.items()):
            if now - began > limit_seconds:
                return name
        return ""


def run_build(
    argv: Sequence[str],
    *,
    stage_seconds: float,
    say: Callable[[str], None],
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Ended:
    """Run it to its end. After `stage_seconds` in one stage, or when `stop()` says so, it is asked to end (SIGTERM: it
    cleans up after itself), and killed when it does not. It sees our whole environment: it is imagebuild itself."""
    stages, kept, pending = Stages(), [""], bytearray()

    def collect(chunk: bytes) -> None:
        pending.extend(chunk)
        *lines, rest = bytes(pending).split(b"\n")
        pending[:] = rest
        for raw in lines:
            line = raw.decode("utf-8", "replace").rstrip("\r")
            stages.hear(line)
            kept.append(line)
            del kept[:-_KEPT_LINES]
            stamped = STAMPED.fullmatch(line)
            say(stamped["text"] if stamped else line)  # whoever shows it gives it its own time

    begin, hung = time.monotonic(), ""
    whole = dict(os.environ) | dict(environment or {})
    with command.running(argv, on_bytes=collect, environment=whole, folder=folder, by_line=True) as process:
        while process.alive():
            hung = stages.longer_than(stage_seconds)
            if hung or stop():
                _end(process)
                break
            time.sleep(_LOOK_SECONDS)
        exit_code = process.wait()
    return Ended(exit_code, "\n".join(kept).strip(), hung, time.monotonic() - begin)


def _end(process: command.Running) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE_SECONDS
    while process.alive() and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
    process.kill()
