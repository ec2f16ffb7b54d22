"""Runs as root in a private namespace: unpacks the tree, edits it, lays the filesystems.

Started by image.py as `python -m imagebuild.build.inside`, with a Job as JSON on standard input; ends with exit code
0, or with FAILED and the reason in the job's failure file.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from io import TextIOWrapper
from pathlib import Path
from typing import assert_never

from pydantic import BaseModel, ConfigDict

from imagebuild.build import archive, btrfs, ext, pack, privileged, spread, times
from imagebuild.build.initrd_tools import unmount_tools
from imagebuild.build.tree_edits import apply_edits
from imagebuild.build.xfs import make as xfs
from imagebuild.errors import BuildError, ImagebuildError
from imagebuild.host import command, lifeline
from imagebuild.plan.disk_vocabulary import LaidStep, MakeBtrfs, MakeExt, MakeXfs, PackTree
from imagebuild.plan.facts import Attribute, DeviceNode
from imagebuild.plan.steps import Edit

FAILED = 8


class Job(BaseModel):
    """All paths absolute. `archives`: where those go that the appliance is to unpack.

    `epoch`: the moment that the image shows, in seconds since 1970.
    `memory`: unpack the tree into a filesystem in memory, not onto the disk.
    """

    model_config = ConfigDict(frozen=True)

    workspace: Path
    epoch: int
    lock: Path
    memory: bool
    tree: Path
    devices: tuple[DeviceNode, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    highest_id: int = 0
    recipe_folder: Path
    edits: tuple[Edit, ...]
    filesystems: tuple[LaidStep, ...]
    image: Path
    archives: dict[str, Path]
    secrets: dict[str, str]

    @property
    def failure(self) -> Path:
        return self.workspace / "failure.json"


class Failure(BaseModel):
    """An error's three parts, on their way out of the namespace."""

    model_config = ConfigDict(frozen=True)

    brief: str
    details: str
    resolution: str


def main() -> int:
    job = Job.model_validate_json(sys.stdin.read())
    lifeline.hold(job.lock)
    os.umask(0o022)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # what a script says is in the log while it runs
    try:
        _run(job)
    except ImagebuildError as error:
        failure = Failure(brief=error.brief, details=error.details, resolution=error.resolution)
        job.failure.write_text(failure.model_dump_json(), encoding="utf-8")
        return FAILED
    return 0


def _run(job: Job) -> None:
    area = job.workspace / "area"
    area.mkdir()
    if job.memory:
        lifeline.mount_memory(area)
    tree = area / "tree"
    tree.mkdir()
    check_owners(job.highest_id)
    left = privileged.left_for_later(area, job.devices, job.attributes)
    unpack(job.tree, tree, privileged.exclusions(left.devices))
    apply_edits(tree, job.edits, recipe_folder=job.recipe_folder, secrets=job.secrets, epoch=job.epoch)
    unmount_tools(tree)
    times.clamp_times(tree, job.epoch)
    folders = split(tree, area, job.filesystems)
    for step in job.filesystems:
        folder = folders[step.mountpoint]
        match step:
            case MakeExt():
                # One stretch of the image is filled where it is; several are filled from a file of their own.
                place = spread.staged(step.where, job.image, area) if step.region is None else nullcontext(job.image)
                with place as target:
                    ext.make_ext(step, folder, target, job.epoch)
                    privileged.put_into(step, folder, left, target, job.workspace, job.epoch)
            case MakeBtrfs():
                btrfs.make_btrfs(step, folder, job.image, area, left)
            case MakeXfs():
                for path in step.solid:
                    pack.fill_holes(ext.inside(step.mountpoint, folder, path))
                xfs.make_xfs(step, folder, job.image, area, left)
            case PackTree():
                for path in step.solid:
                    pack.fill_holes(ext.inside(step.mountpoint, folder, path))
                pack.pack_tree(step, folder, job.archives[step.archive], left)
            case _:
                assert_never(step)


def check_owners(
    highest_id: int, id_maps: tuple[Path, ...] = (Path("/proc/self/uid_map"), Path("/proc/self/gid_map"))
) -> None:
    """Raises BuildError when the tree has an owner or group whose number does not exist in this namespace."""
    for path in id_maps:
        # user_namespaces(7): the first number inside, the first outside, how many.
        known = max(int(line.split()[0]) + int(line.split()[2]) for line in path.read_text().splitlines())
        if highest_id >= known:
            raise BuildError(
                f"the tree has a file of owner or group {highest_id}, and an ordinary user's namespace here ends at "
                f"{known - 1}",
                resolution="build as root, or let an administrator give this user a larger range in /etc/subuid and "
                "/etc/subgid",
            )


def unpack(path: Path, tree: Path, exclusions: Sequence[str] = ()) -> None:
    """Everything that tar keeps: owners by number, modes, times, hard links, xattrs, ACLs, sparse files."""
    with path.open("rb") as file:
        compression = archive.compression_of(file.read(8))
    if compression != "none":
        command.require(*archive.PROGRAMS[compression])
    words = ["tar", "--extract", f"--file={path}", f"--directory={tree}", "--numeric-owner", "--same-owner"]
    words += ["--preserve-permissions", "--xattrs", "--xattrs-include=*", "--acls", "--sparse"]
    words += [] if compression == "none" else [f"--{compression}"]
    command.run([*words, *exclusions], doing="unpacking the root tree", log=print)


def split(tree: Path, area: Path, filesystems: tuple[LaidStep, ...]) -> dict[str, Path]:
    """Move what belongs to other filesystems out of the tree, deepest first; each leaves an empty folder behind."""
    folders = {"/": tree}
    for number, step in enumerate(sorted(filesystems, key=lambda step: step.mountpoint.count("/"), reverse=True)):
        if step.mountpoint == "/":
            continue
        source = tree
        for part in step.mountpoint.strip("/").split("/"):
            source = source / part
            if source.is_symlink() or not source.is_dir():
                raise BuildError(
                    f"{step.mountpoint} is to be a mountpoint, but {source.relative_to(tree)} is no folder in the tree"
                )
        status = source.stat()
        target = area / f"filesystem-{number}"
        source.rename(target)
        source.mkdir()
        os.chown(source, status.st_uid, status.st_gid)
        source.chmod(status.st_mode & 0o7777)
        os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
        folders[step.mountpoint] = target
    return folders


if __name__ == "__main__":
    raise SystemExit(main())
