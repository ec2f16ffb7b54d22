"""A directory on this machine as a root tree: its digest, and a tar archive of it.

As root the owners are taken as they are. For an ordinary user both happen in a namespace in which the user's own files
are root's, and those of the user's sub-uids (subuid(5): what podman unshare or mmdebstrap left) have small numbers; a
file that belongs to anybody else is refused, not given away.

Started there as `python -m imagebuild.rootfs.directory`, with a Job as JSON on standard input.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from imagebuild.errors import BuildError
from imagebuild.events import Progress
from imagebuild.formats.text import escaped
from imagebuild.host import command, lifeline, namespace
from imagebuild.host.digest import file_sha256
from imagebuild.host.scratch import scratch_folder
from imagebuild.host.sparse import data_extents, read_extent

# What a running system mounts there belongs to that system, not to the tree.
_KERNELS_OWN = ("proc", "sys", "dev", "run")
_MOST_BYTES_AT_ONCE = 2**20
_LARGE_HOLES_BYTES = 2**30
_CHANGED = 1  # tar's exit code when a file changed while it was read


class Job(BaseModel):
    """`result` is where the digest is written, or what went wrong."""

    model_config = ConfigDict(frozen=True)

    directory: Path
    lock: Path
    result: Path


def directory_digest(directory: Path) -> str:
    """sha256 over everything of the tree that ends up in an image: names, kinds, modes, owners, times, xattrs, content.

    Raises BuildError for what cannot be read, or belongs to nobody whom this user may stand for.
    """
    if namespace.is_root():
        return _digest(directory)
    _check_owners(directory)
    with scratch_folder() as scratch, namespace.workspace(scratch) as space:
        job = Job(directory=directory, lock=space.lock, result=space.directory / "result.json")
        finished = namespace.attempt_python(__name__, stdin=job.model_dump_json(), log=lambda _line: None)
        if finished.exit_code != 0:
            raise BuildError(f"rootfs.directory: reading {directory} failed", details=finished.tail())
        answer = json.loads(job.result.read_text(encoding="utf-8"))
    if "error" in answer:
        raise BuildError(answer["error"], resolution=answer["resolution"])
    return str(answer["digest"])


def pack_directory(directory: Path, archive: Path, progress: Progress) -> None:
    """The directory as a tar archive with everything that tar can keep. Raises BuildError."""
    mounted = [name for name in _KERNELS_OWN if (directory / name).is_mount()]
    argv = ["tar", "--create", f"--file={archive}", f"--directory={directory}", "--format=posix", "--sort=name"]
    argv += ["--pax-option=delete=atime,delete=ctime", "--numeric-owner", "--xattrs", "--xattrs-include=*", "--acls"]
    argv += ["--sparse", *(f"--exclude=./{name}/*" for name in mounted), "."]
    finished = command.attempt(argv if namespace.is_root() else [*namespace.prefix(), *argv], log=progress.log)
    if finished.exit_code == _CHANGED:
        raise BuildError(
            f"rootfs.directory: {directory} changed while it was read",
            details=finished.tail(),
            resolution="build again while nothing writes to it",
        )
    if finished.exit_code != 0:
        raise BuildError(f"rootfs.directory: packing {directory} failed", details=finished.tail())


def _digest(root: Path) -> str:
    digest = hashlib.sha256()
    links: dict[tuple[int, int], str] = {}
    for path in _walk(root):
        try:
            digest.update(json.dumps(_entry(root, path, links)).encode() + b"\n")
        except OSError as error:
            raise BuildError(
                f"rootfs.directory: {escaped(str(path))} cannot be read: {error.strerror}",
                resolution="make it readable, or build as its owner or as root",
            ) from error
    return digest.hexdigest()


def _entry(root: Path, path: Path, links: dict[tuple[int, int], str]) -> list[object]:
    status = path.lstat()
    name = str(path.relative_to(root))
    content = ""
    if stat.S_ISREG(status.st_mode):
        content = _content_digest(path, status)
    elif stat.S_ISLNK(status.st_mode):
        content = str(path.readlink())
    same_as = links.setdefault((status.st_dev, status.st_ino), name) if status.st_nlink > 1 else name
    xattrs = {key: os.getxattr(path, key, follow_symlinks=False).hex() for key in _xattr_names(path)}
    return [
        name, status.st_mode, status.st_uid, status.st_gid, status.st_size if content else 0, status.st_mtime_ns,
        status.st_rdev, content, same_as, sorted(xattrs.items()),
    ]  # fmt: skip


def _content_digest(path: Path, status: os.stat_result) -> str:
    """The file's sha256; of one with large holes that of its data and their places: to read them would take hours."""
    if status.st_size - status.st_blocks * 512 < _LARGE_HOLES_BYTES:
        return file_sha256(path)
    digest = hashlib.sha256(b"sparse")
    with path.open("rb") as file:
        for extent in data_extents(file.fileno()):
            digest.update(f"{extent.start} {extent.length} ".encode())
            for piece in read_extent(file.fileno(), extent, _MOST_BYTES_AT_ONCE):
                digest.update(piece)
    return f"sparse {status.st_size} {digest.hexdigest()}"


def _xattr_names(path: Path) -> list[str]:
    try:
        return os.listxattr(path, follow_symlinks=False)
    except OSError:
        return []  # a filesystem without any


def _walk(root: Path) -> Iterator[Path]:
    """The directory and everything below it, in a fixed order, without what a running system has mounted there."""
    directories = [root]
    while directories:
        directory = directories.pop()
        yield directory
        if directory.parent == root and directory.name in _KERNELS_OWN and directory.is_mount():
            continue
        try:
            entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
        except OSError as error:
            raise BuildError(
                f"rootfs.directory: {escaped(str(directory))} cannot be read: {error.strerror}",
                resolution="make it readable, or build as its owner or as root",
            ) from error
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                directories.append(Path(entry.path))
            else:
                yield Path(entry.path)


def _check_owners(directory: Path) -> None:
    """From outside the namespace, where a stranger's file can be told from one of nobody's."""
    uids, gids = namespace.own_ids()
    for path in _visible(directory):
        status = path.lstat()
        for kind, number, known in (("user", status.st_uid, uids), ("group", status.st_gid, gids)):
            if not any(number in numbers for numbers in known):
                raise BuildError(
                    f"rootfs.directory: {escaped(str(path))} belongs to {kind} {number}, who is neither "
                    "you nor one of your sub-uids",
                    resolution="build as root, or give the tree to yourself (chown, chgrp): your own files become "
                    "root's in the image",
                )


def _visible(directory: Path) -> Iterator[Path]:
    """What this user can see; the rest belongs to sub-uids, or the namespace cannot read it either."""
    yield directory
    try:
        entries = list(os.scandir(directory))
    except PermissionError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _visible(Path(entry.path))
        else:
            yield Path(entry.path)


def main() -> int:
    job = Job.model_validate_json(sys.stdin.read())
    lifeline.hold(job.lock)
    try:
        answer = {"digest": _digest(job.directory)}
    except BuildError as error:
        answer = {"error": error.brief, "resolution": error.resolution}
    job.result.write_text(json.dumps(answer), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
