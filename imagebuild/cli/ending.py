"""How a run ends: an error as words on stderr, and the exit code.

A mistake in a recipe is one line for each problem, as compilers print them, never wrapped. Any other known error is
`error: brief`, its details, and `what to do: …`. An unknown exception is a fault of imagebuild's: one line on the
screen, the traceback in the log file only (`--debug` shows it).
"""

from __future__ import annotations

import contextlib
import errno
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

from imagebuild.errors import INTERNAL, OK, BuildError, HostError, ImagebuildError, Interrupted, PlanError, RecipeError
from imagebuild.formats.text import printable

Log = Callable[[str], None]


def worst(codes: Iterable[int]) -> int:
    """The exit code over several recipes: the highest number (10, a bad image, outranks a build that failed)."""
    return max(codes, default=OK)


def known(error: BaseException) -> ImagebuildError | None:
    """The error in imagebuild's own words; None: a fault of imagebuild's."""
    match error:
        case ImagebuildError():
            return error
        case KeyboardInterrupt():
            return Interrupted("interrupted")
        case OSError():
            return _of_the_machine(error)
        case _:
            return None


def report(error: BaseException, *, log: Log | None = None, log_path: Path | None = None, debug: bool = False) -> int:
    """Say on stderr what went wrong and return the exit code. Never raises: a full disk has no room for words.

    `log` gets the same lines, and the traceback of an unknown exception; `log_path` is where a user finds it.
    """
    ours = known(error)
    lines = explain(ours) if ours else _internal(error, log_path)
    traced = debug and not isinstance(ours, Interrupted) if ours else True
    trace = "".join(traceback.format_exception(error)).rstrip().splitlines() if traced else []
    if log_path and ours and not isinstance(ours, Interrupted):
        lines.append(f"log: {log_path}")
    shown = lines + (trace if debug or log_path is None else [])
    with contextlib.suppress(OSError, ValueError):  # ValueError: the stream is closed
        for line in shown:
            print(printable(line), file=sys.stderr)
        sys.stderr.flush()
    if log:
        with contextlib.suppress(OSError, ValueError):
            for line in lines + trace:
                log(line)
    return ours.exit_code if ours else INTERNAL


def explain(error: ImagebuildError) -> list[str]:
    """The lines for stderr."""
    match error:
        case RecipeError():
            return [str(problem) for problem in error.problems]
        case Interrupted():
            return ["interrupted: nothing is left behind, run the same command again"]
        case PlanError():
            # a line each, with its place first, as compilers print it: editors jump to it
            return [_refusal(refusal) for refusal in (error, *error.others)]
        case _:
            lines = [f"error: {error.brief}"]
            lines += [f"  {line}" for line in error.details.splitlines()]
            return lines + ([f"what to do: {error.resolution}"] if error.resolution else [])


def _refusal(error: PlanError) -> str:
    details = f" ({'; '.join(error.details.splitlines())})" if error.details else ""
    return f"{error.brief}{details}" + (f"; what to do: {error.resolution}" if error.resolution else "")


def _internal(error: BaseException, log_path: Path | None) -> list[str]:
    lines = [f"internal error: {type(error).__name__}: {error}".splitlines()[0]]
    if log_path:
        lines.append(f"what to do: please report this, with {log_path}")
    return lines


def _of_the_machine(error: OSError) -> ImagebuildError | None:
    """What a machine may do to anybody: a full disk, a missing permission. Other OSErrors are ours to explain."""
    where = f" ({error.filename})" if error.filename else ""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return BuildError(
                f"no space left on the filesystem{where}",
                resolution="free some space, or choose other places with -o, TMPDIR and IMAGEBUILD_CACHE",
            )
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return HostError(
                f"permission denied{where}: {error.strerror}",
                resolution="choose a folder that you may write, or change its permissions",
            )
        case _:
            return None
