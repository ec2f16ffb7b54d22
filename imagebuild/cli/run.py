"""One command from its words to its exit code; what the parser chose is called here, outside of the parser."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagebuild.cli.app import app
from imagebuild.cli.ending import report

if TYPE_CHECKING:
    from imagebuild.cli.hands import Hands

_BROKEN_PIPE = 128 + 13  # as the shell counts an end by SIGPIPE


@dataclass
class Chosen:
    """What the parser found out: the function to call; and who does the work in it."""

    hands: Callable[[], Hands]
    work: Callable[[], int] | None = None
    debug: bool = False


def run(argv: Sequence[str] | None = None, hands: Hands | None = None) -> int:
    """Parse the words, do the work, and return the exit code."""
    state = Chosen(lambda: hands or _own_hands())
    try:
        app(args=list(argv) if argv is not None else None, prog_name="imagebuild", obj=state)
    except SystemExit as end:  # typer's own way to say: help was shown, or the words were wrong
        if state.work is None:
            return int(end.code or 0)
    assert state.work is not None
    try:
        code = state.work()
        sys.stdout.flush()  # a full disk or a closed pipe shows now, not at the interpreter's end
        return code
    except BrokenPipeError:
        return _BROKEN_PIPE
    except BaseException as error:
        return report(error, debug=state.debug)
    finally:
        _settle_stdout()


def _own_hands() -> Hands:
    from imagebuild.cli.hands import own_hands

    return own_hands()


def _settle_stdout() -> None:
    """The reader went away (`imagebuild plan … | head`), or its disk is full: what is still in the buffer is lost.

    Without this the interpreter would try again at its end, and complain.
    """
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
