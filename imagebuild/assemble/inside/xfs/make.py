"""The step of a plan: XFS laid in user space."""

from __future__ import annotations

from pathlib import Path

from imagebuild.assemble.inside import spread
from imagebuild.assemble.inside.privileged import Left, check_left
from imagebuild.assemble.inside.xfs.fill import fill
from imagebuild.assemble.inside.xfs.geometry import XfsError
from imagebuild.errors import BuildError
from imagebuild.host import command
from imagebuild.plan.disk_vocabulary import MakeXfs


def make_xfs(step: MakeXfs, folder: Path, image: Path, scratch: Path, left: Left) -> None:
    """Make the filesystem from `folder` at the step's place in `image`. `scratch`: a folder, best in memory.

    Raises BuildError.
    """
    check_left(step, left)
    command.require("mkfs.xfs", "xfsprogs")
    words = ["mkfs.xfs", "-q", "-f", *step.options, "-m", f"uuid={step.uuid}"]
    words += ["-L", step.label] if step.label else []
    with spread.staged(step.where, image, scratch) as path:
        command.run([*words, str(path)], doing=f"making xfs for {step.mountpoint}", log=print)
        try:
            with path.open("r+b", buffering=0) as file:
                fill(file, folder)
        except XfsError as error:
            raise BuildError(
                f"making xfs for {step.mountpoint} failed: {error}",
                resolution="give it more room, or leave sizes out to have them computed",
            ) from error
        except OSError as error:
            raise BuildError(f"making xfs for {step.mountpoint} failed: {error.strerror}") from error
