"""Btrfs made in user space: mkfs.btrfs fills the filesystem from a directory, files whole and without holes."""

from __future__ import annotations

from pathlib import Path

from imagebuild.assemble.inside import placement
from imagebuild.assemble.inside.privileged import Deferred, check_deferred
from imagebuild.errors import BuildError
from imagebuild.filesystems import btrfs_size
from imagebuild.host import command
from imagebuild.plan.disk_vocabulary import MakeBtrfs


def make_btrfs(step: MakeBtrfs, directory: Path, image: Path, scratch: Path, deferred: Deferred) -> None:
    """Make the filesystem from `directory` at the step's place in `image`. `scratch`: a directory, best in memory.

    mkfs.btrfs syncs what it writes, which costs nothing in memory. Raises BuildError.
    """
    check_deferred(step, deferred)
    command.require("mkfs.btrfs", "btrfs-progs")
    argv = ["mkfs.btrfs", "-q", "-f", "-U", step.uuid, *(["-L", step.label] if step.label else [])]
    with placement.staged(step.where, image, scratch) as path:
        # mkfs.btrfs makes the file as large as it thinks the directory may need, which is much too large: it is shrunk
        # to what is really taken, and then grown to its place.
        argv += [*step.options, "--shrink", "--rootdir", str(directory), str(path)]
        finished = command.attempt(argv, log=print)
        if finished.exit_code != 0:
            raise BuildError(f"making btrfs for {step.mountpoint} failed", details=finished.tail())
        if (taken := path.stat().st_size) > step.size_bytes:
            raise BuildError(
                f"{step.mountpoint} does not fit into its btrfs: {taken // 2**20} MiB are taken, "
                f"it has {step.size_bytes // 2**20} MiB",
                resolution="make it larger, or leave sizes out to have them computed",
            )
        with path.open("r+b") as file:
            file.truncate(step.size_bytes)
            btrfs_size.set_size(file, step.size_bytes)
