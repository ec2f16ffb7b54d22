"""How a run ends: an error as lines on stderr, and the exit code."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable

from imagebuild.cli.terminal import event_stream
from imagebuild.errors import OK
from imagebuild.formats.text import printable
from imagebuild.operations.failures import Failure, failure_of


def worst(codes: Iterable[int]) -> int:
    """The exit code over several recipes: the highest number (10, a bad image, outranks a build that failed)."""
    return max(codes, default=OK)


def report(error: BaseException, *, debug: bool = False) -> int:
    """Say on stderr what went wrong and return the exit code."""
    return report_failure(failure_of(error), debug=debug)


def report_failure(failure: Failure, *, debug: bool = False) -> int:
    """As `report`. Never raises: a full disk has no room for words."""
    with contextlib.suppress(OSError, ValueError):  # ValueError: the stream is closed
        if events := event_stream():
            events.write(failure.event())
        for line in failure.shown(debug=debug):
            print(printable(line), file=sys.stderr)
        sys.stderr.flush()
    return failure.exit_code
