"""An error as every reader needs it: lines for the screen and the log, an exit code, what is to blame.

A mistake in a recipe is one line for each problem, as compilers print them, never wrapped. Any other known error is
`error: brief`, its details, and `what to do: …`. An unknown exception is a fault of imagebuild's: one line on the
screen, the traceback in the log file only (`--debug` shows it).
"""

from __future__ import annotations

import errno
import traceback
from dataclasses import dataclass
from pathlib import Path

from imagebuild.errors import INTERNAL, BuildError, HostError, ImagebuildError, Interrupted, PlanError, RecipeError
from imagebuild.events import Failed
from imagebuild.operations.causes import disk_was_full, network_words


@dataclass(frozen=True, slots=True)
class Failure:
    """`lines` say what went wrong; `trace` is where, line by line. `error` None: a fault of imagebuild's."""

    error: ImagebuildError | None
    lines: tuple[str, ...]
    trace: tuple[str, ...]
    log_path: Path | None

    @property
    def exit_code(self) -> int:
        return self.error.exit_code if self.error else INTERNAL

    @property
    def interrupted(self) -> bool:
        return isinstance(self.error, Interrupted)

    def shown(self, *, debug: bool) -> list[str]:
        """What belongs on the screen. A fault without a log file has no other place for its traceback."""
        lines = list(self.lines)
        if self.log_path and self.error and not self.interrupted:
            lines.append(f"log: {self.log_path}")
        traced = (debug and not self.interrupted) if self.error else (debug or self.log_path is None)
        return lines + (list(self.trace) if traced else [])

    def logged(self, *, debug: bool) -> list[str]:
        """What belongs into the log file: as on the screen, and always the traceback of a fault."""
        traced = (debug and not self.interrupted) if self.error else True
        return list(self.lines) + (list(self.trace) if traced else [])

    def event(self) -> Failed:
        network = network_words(self.error) if self.error else ""
        full = disk_was_full(self.error) if self.error else False
        return Failed(exit_code=self.exit_code, lines=self.lines, network=network, disk_full=full)


def failure_of(error: BaseException, log_path: Path | None = None) -> Failure:
    """`log_path`: the run's log file, where a user finds the rest."""
    ours = known(error)
    lines = explain(ours) if ours else _internal(error, log_path)
    trace = "".join(traceback.format_exception(error)).rstrip().splitlines()
    return Failure(ours, tuple(lines), tuple(trace), log_path)


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


def explain(error: ImagebuildError) -> list[str]:
    """The lines for a reader."""
    match error:
        case RecipeError():
            return [str(problem) for problem in error.problems]
        case Interrupted():
            return ["interrupted: nothing was left behind; run the same command again"]
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
                resolution="choose a directory that you can write to, or change its permissions",
            )
        case _:
            return None
