"""Work that is handed to a process of our own, root in a private namespace: a Job as JSON on its standard input.

It ends with exit code 0, or with FAILED and the reason in the job's failure file. The jobs' data are here, so that
nothing outside of inside/ imports what runs there.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from imagebuild.errors import BuildError, ImagebuildError
from imagebuild.events import Progress
from imagebuild.host import lifeline, namespace, no_sync
from imagebuild.host.fence.limits import limits_here
from imagebuild.host.fence.request import Limits
from imagebuild.plan.disk_vocabulary import MakeExt, PopulateStep
from imagebuild.plan.facts import Attribute, DeviceNode
from imagebuild.plan.steps import Edit, FinishingEdit

FAILED = 8


class Job(BaseModel):
    """All paths absolute. `epoch`: the moment that the image shows, in seconds since 1970.

    `limits`: of the tree's own programs.
    """

    model_config = ConfigDict(frozen=True)

    workspace: Path
    lock: Path
    epoch: int
    recipe_directory: Path
    secrets: dict[str, str]
    limits: Limits = Field(default_factory=limits_here)

    @property
    def failure(self) -> Path:
        return self.workspace / "failure.json"


class PopulateJob(Job):
    """Make filesystems from a tree, after its edits (inside/populate.py).

    `archives`: where those go that the appliance is to unpack. `memory`: unpack the tree into a filesystem in memory,
    not onto the disk. `populated`: the directory where filesystems are made that are to be finished, each in a
    file; else all are in `image`.
    """

    memory: bool
    tree: Path
    devices: tuple[DeviceNode, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    highest_id: int = 0
    edits: tuple[Edit, ...]
    filesystems: tuple[PopulateStep, ...]
    image: Path
    archives: dict[str, Path]
    populated: Path | None = None


class FinishJob(Job):
    """Copy filesystems into the image and finish them (inside/finish/process.py).

    `populated`: the directory of the filesystems, one file for each of `filesystems`, and of the tree's catalogue.
    """

    populated: Path
    filesystems: tuple[MakeExt, ...]
    edits: tuple[Annotated[FinishingEdit, Field(discriminator="kind")], ...]
    image: Path


def filesystem_file(directory: Path, number: int) -> Path:
    """Where the filesystem of the step of that number is made, to be finished."""
    return directory / f"filesystem-{number}"


class Failure(BaseModel):
    """An error's three parts, on their way out of the namespace."""

    model_config = ConfigDict(frozen=True)

    brief: str
    details: str
    resolution: str


def hand_over(job: Job, module: str, doing: str, progress: Progress, *, network: bool = False) -> None:
    """Let the module do the job; its output goes to the log. Raises BuildError with the reason, HostError."""
    finished = namespace.attempt_python(module, stdin=job.model_dump_json(), log=progress.log, network=network)
    if finished.exit_code == FAILED and job.failure.is_file() and job.failure.stat().st_size:
        failure = Failure.model_validate_json(job.failure.read_bytes())
        raise BuildError(failure.brief, details=failure.details, resolution=failure.resolution)
    if finished.exit_code != 0:
        raise BuildError(f"{doing} failed", details=finished.tail())


JobKind = TypeVar("JobKind", bound=Job)


def serve(kind: type[JobKind], run: Callable[[JobKind], None]) -> int:
    """The module's side: read the job, do it, and return the exit code. It ends when imagebuild does."""
    job = kind.model_validate_json(sys.stdin.read())
    no_sync.leave_out_syncs()
    lifeline.hold(job.lock)
    os.umask(0o022)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # what a script says is in the log while it runs
    try:
        run(job)
    except ImagebuildError as error:
        failure = Failure(brief=error.brief, details=error.details, resolution=error.resolution)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        where = f" ({error.filename})" if error.filename else ""
        resolution = "free some space, or choose other places with -o, TMPDIR and IMAGEBUILD_CACHE"
        failure = Failure(brief=f"no space left on the filesystem{where}", details="", resolution=resolution)
    else:
        return 0
    _report(failure, job)
    return FAILED


def _report(failure: Failure, job: Job) -> None:
    """On a full disk there may be no room for it: then the output has to say it."""
    os.write(sys.stderr.fileno(), f"{failure.brief}\n".encode("utf-8", "replace"))
    with contextlib.suppress(OSError):
        job.failure.write_text(failure.model_dump_json(), encoding="utf-8")
