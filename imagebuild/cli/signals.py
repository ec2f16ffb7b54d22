"""Ctrl-C, SIGTERM and a terminal that goes away (SIGHUP): all become one KeyboardInterrupt in the main thread, once.

KeyboardInterrupt, because no `except Exception` on the way swallows it; the border turns it into exit code 130.
Further signals while things are cleaned up are answered with a line; the third ends the process on the spot
(its children die with it, see host/command.py, and the next run removes what is left of a partial file).

Python runs a signal handler only between two bytecodes of the main thread. A signal that comes just before a system
call, or on another thread, does not end that call: the main thread would sleep on. And a long call into a C library
(guestfs waiting for its appliance) would sit out any Ctrl-C. So a watching thread hears of the signal through
`signal.set_wakeup_fd`; while the main thread does not react, it is nudged with the signal again, and in the end our
child processes are ended: the call then fails at once and the handler gets its turn.

Who asks a program to end waits for some seconds and kills it then (`docker stop`: 10). So cleaning up has a limit, too:
what still waits for a child after that loses it (the appliance's QEMU, an `rm`), and at the end of the limit the
process ends on the spot. What it leaves behind, the next run removes (host/leftovers.py). A night has results to keep:
it loses its children, and takes the time that it needs for its summary (`unhurried`).
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import socket
import threading
import time
from pathlib import Path
from types import FrameType

_NUDGE_SECONDS = 0.1
_NUDGES = 10
# One key press may arrive twice: from the terminal, and passed on by a wrapper such as timeout(1).
_ONE_PRESS_SECONDS = 0.2
_CAUGHT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_CHILDREN_END_SECONDS = 2.5
_END_SECONDS = 4.5
_SHOW_CURSOR = b"\x1b[?25h"  # the live display hides it (ECMA-48, DECTCEM)


class Signals:
    """The state of one process's interruption."""

    def __init__(self) -> None:
        self._count = 0
        self._last = -math.inf
        self._heard = threading.Event()
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)  # set_wakeup_fd demands it

    def install(self) -> None:
        for number in _CAUGHT:
            if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue  # nohup(1): the user wants it to go on
            signal.signal(number, self._handle)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        threading.Thread(target=self._watch, name="signals", daemon=True).start()

    def ignore_from_now_on(self) -> None:
        """The exit code is decided: a late Ctrl-C must not turn the interpreter's end into a traceback.

        The limit holds on: threads are waited for at the interpreter's end.
        """
        for number in _CAUGHT:
            signal.signal(number, signal.SIG_IGN)
        signal.set_wakeup_fd(-1)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if now - self._last < _ONE_PRESS_SECONDS:
            return
        self._last = now
        self._count += 1
        self._heard.set()
        if self._count == 1:
            threading.Thread(target=_limit, name="limit", daemon=True).start()
            raise KeyboardInterrupt
        if self._count == 2:
            # os.write: the handler may have interrupted a write to the very same buffered stream
            with contextlib.suppress(OSError):
                os.write(2, b"\nstill cleaning up (once more ends it on the spot)\n")
        else:
            _end_on_the_spot()

    def _watch(self) -> None:
        while data := self._reader.recv(64):
            for number in _CAUGHT:
                if number in data and not self._heard.is_set():
                    self._nudge(number)

    def _nudge(self, number: int) -> None:
        main = threading.main_thread().ident
        for _ in range(_NUDGES):
            if self._heard.wait(_NUDGE_SECONDS):
                return
            if main is not None:
                signal.pthread_kill(main, number)
        _kill_children()


_unhurried = threading.Event()


def unhurried() -> None:
    """This process keeps results when it is interrupted: it is not ended before it has."""
    _unhurried.set()


def _limit() -> None:
    """How long cleaning up may take."""
    time.sleep(_CHILDREN_END_SECONDS)
    _kill_children()
    time.sleep(_END_SECONDS - _CHILDREN_END_SECONDS)
    _kill_children()
    if not _unhurried.is_set():
        with contextlib.suppress(OSError):
            os.write(2, b"\ninterrupted: cleaning up took too long, the next run removes the rest\n")
        _end_on_the_spot()


def _end_on_the_spot() -> None:
    with contextlib.suppress(OSError):
        if os.isatty(1):
            os.write(1, _SHOW_CURSOR)
    os._exit(130)


def take_signals() -> Signals:
    """Install the handlers. Must run in the main thread."""
    signals = Signals()
    signals.install()
    return signals


def _kill_children() -> None:
    for children in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for pid in children.read_text().split():
                with contextlib.suppress(OSError):
                    os.kill(int(pid), signal.SIGKILL)
