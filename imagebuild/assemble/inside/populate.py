"""Runs as root in a private namespace: unpacks the tree, edits it, populates the filesystems.

Started by executor.py as `python -m imagebuild.assemble.inside.populate`, with a PopulateJob on standard input.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import assert_never

from imagebuild.assemble.inside import btrfs, ext, pack, placement, privileged
from imagebuild.assemble.inside.finish import catalogue
from imagebuild.assemble.inside.tree_edits import apply_edits
from imagebuild.assemble.inside.xfs import make_xfs
from imagebuild.assemble.job import PopulateJob, filesystem_file, serve
from imagebuild.errors import BuildError
from imagebuild.host import command, lifeline
from imagebuild.plan.disk_vocabulary import MakeBtrfs, MakeExt, MakeXfs, PackTree, PopulateStep
from imagebuild.rootfs import archive, times


def main() -> int:
    return serve(PopulateJob, _run)


def _run(job: PopulateJob) -> None:
    area = job.workspace / "area"
    area.mkdir()
    if job.memory:
        lifeline.mount_memory(area)
    tree = area / "tree"
    tree.mkdir()
    check_owners(job.highest_id)
    deferred = privileged.defer(area, job.devices, job.attributes)
    unpack(job.tree, tree, privileged.exclusions(deferred.devices))
    apply_edits(
        tree, job.edits,
        recipe_directory=job.recipe_directory, secrets=job.secrets, epoch=job.epoch, limits=job.limits,
    )  # fmt: skip
    if job.populated is not None:
        catalogue.write(tree, deferred, job.populated / catalogue.NAME)
    times.clamp_times(tree, job.epoch)  # last of all: whoever reads a directory or a link may move its time of access
    directories = split(tree, area, job.filesystems)
    for number, step in enumerate(job.filesystems):
        directory = directories[step.mountpoint]
        match step:
            case MakeExt():
                with _place(job, step, number, area) as target:
                    ext.make_ext(step, directory, target, job.epoch)
                    privileged.put_into(step, directory, deferred, target, job.workspace, job.epoch)
            case MakeBtrfs():
                btrfs.make_btrfs(step, directory, job.image, area, deferred)
            case MakeXfs():
                for path in step.solid:
                    pack.fill_holes(ext.inside(step.mountpoint, directory, path))
                make_xfs(step, directory, job.image, area, deferred)
            case PackTree():
                for path in step.solid:
                    pack.fill_holes(ext.inside(step.mountpoint, directory, path))
                pack.pack_tree(step, directory, job.archives[step.archive], deferred)
            case _:
                assert_never(step)


def _place(job: PopulateJob, step: MakeExt, number: int, area: Path) -> AbstractContextManager[Path]:
    """The file that an ext filesystem is made in. A stretch of the image is filled where it is, several from a file."""
    if job.populated is not None:
        target = filesystem_file(job.populated, number)
        with target.open("wb") as file:
            file.truncate(step.size_bytes)
        return nullcontext(target)
    return placement.staged(step.where, job.image, area) if step.region is None else nullcontext(job.image)


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
                resolution="build as root, or ask an administrator to give this user a larger range in /etc/subuid and "
                "/etc/subgid",
            )


def unpack(path: Path, tree: Path, exclusions: Sequence[str] = ()) -> None:
    """Everything that tar keeps: owners by number, modes, times, hard links, xattrs, ACLs, sparse files."""
    with path.open("rb") as file:
        compression = archive.packing_of(file.read(8))
    if compression != "none":
        command.require(*archive.PROGRAMS[compression])
    argv = ["tar", "--extract", f"--file={path}", f"--directory={tree}", "--numeric-owner", "--same-owner"]
    argv += ["--preserve-permissions", "--xattrs", "--xattrs-include=*", "--acls", "--sparse"]
    argv += [] if compression == "none" else [f"--{compression}"]
    command.run([*argv, *exclusions], doing="unpacking the root tree", log=print)


def split(tree: Path, area: Path, filesystems: tuple[PopulateStep, ...]) -> dict[str, Path]:
    """Move what belongs to other filesystems out of the tree, deepest first; each leaves an empty directory behind."""
    directories = {"/": tree}
    for number, step in enumerate(sorted(filesystems, key=lambda step: step.mountpoint.count("/"), reverse=True)):
        if step.mountpoint == "/":
            continue
        source = tree
        for part in step.mountpoint.strip("/").split("/"):
            source = source / part
            if source.is_symlink() or not source.is_dir():
                raise BuildError(
                    f"{step.mountpoint} must be a mountpoint, but {source.relative_to(tree)} is not a directory in "
                    "the tree"
                )
        status, above = source.stat(), source.parent.stat()
        target = area / f"filesystem-{number}"
        source.rename(target)
        source.mkdir()
        os.chown(source, status.st_uid, status.st_gid)
        source.chmod(status.st_mode & 0o7777)
        os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
        os.utime(source.parent, ns=(above.st_atime_ns, above.st_mtime_ns))  # the moment of the build is nowhere
        directories[step.mountpoint] = target
    return directories


if __name__ == "__main__":
    raise SystemExit(main())
