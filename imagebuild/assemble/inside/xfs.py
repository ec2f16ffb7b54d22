"""XFS in user space: mkfs.xfs makes it empty, xfs_writer/ fills it."""

from __future__ import annotations

from pathlib import Path

from imagebuild.assemble.inside import placement
from imagebuild.assemble.inside.privileged import Deferred, check_deferred
from imagebuild.assemble.inside.xfs_writer import XfsError, fill_xfs
from imagebuild.errors import BuildError
from imagebuild.host import command
from imagebuild.plan.disk_vocabulary import MakeXfs


def make_xfs(step: MakeXfs, directory: Path, image: Path, scratch: Path, deferred: Deferred) -> None:
    """Make the filesystem from `directory` at the step's place in `image`. `scratch`: a directory, best in memory.

    Raises BuildError.
    """
    check_deferred(step, deferred)
    command.require("mkfs.xfs", "xfsprogs")
    argv = ["mkfs.xfs", "-q", "-f", *step.options, "-m", f"uuid={step.uuid}"]
    argv += ["-L", step.label] if step.label else []
    with placement.staged(step.where, image, scratch) as path:
        command.run([*argv, str(path)], doing=f"making xfs for {step.mountpoint}", log=print)
        try:
            with path.open("r+b", buffering=0) as file:
                fill_xfs(file, directory)
        except XfsError as error:
            raise BuildError(
                f"making xfs for {step.mountpoint} failed: {error}",
                resolution="make it larger, or leave sizes out to have them computed",
            ) from error
        except OSError as error:
            raise BuildError(f"making xfs for {step.mountpoint} failed: {error.strerror}") from error
