"""The times in an image: none of them is the time of the build, so that two builds are the same, bit for bit.

The moment ("epoch", seconds since 1970) is SOURCE_DATE_EPOCH where that is set (reproducible-builds.org's convention),
else a property of what the tree was made of: the date of the newest archive index, or the newest file of a given tree.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from imagebuild.errors import BuildError
from imagebuild.host import command

VARIABLE = "SOURCE_DATE_EPOCH"


def wanted_epoch() -> int | None:
    """The moment that the user asks for. Raises BuildError for what is no number."""
    value = os.environ.get(VARIABLE)
    if not value:
        return None
    if not value.isdecimal():
        raise BuildError(
            f"{VARIABLE} is {value!r}, which is not a number of seconds since 1970",
            resolution='use: export SOURCE_DATE_EPOCH="$(date +%s)", or unset it',
        )
    return int(value)


def clamp_times(tree: Path, epoch: int) -> None:
    """No file in the tree is newer than the moment, and none was read later than it was written."""
    for directory, directories, files in os.walk(tree, topdown=False):
        for name in (*files, *directories):
            _clamp(os.path.join(directory, name), epoch)  # noqa: PTH118 (15,000 times: a Path costs more than the work)
    _clamp(str(tree), epoch)


def _clamp(path: str, epoch: int) -> None:
    status = os.lstat(path)
    modified = min(status.st_mtime_ns, epoch * 10**9)
    if (status.st_mtime_ns, status.st_atime_ns) != (modified, modified):
        os.utime(path, ns=(modified, modified), follow_symlinks=False)


def fake_time(epoch: int) -> Mapping[str, str]:
    """What e2fsprogs takes for the present (its own tests' variable, lib/ext2fs/openfs.c and initialize.c)."""
    return {"E2FSPROGS_FAKE_TIME": str(epoch)}


def set_change_times(target: Path, offset: int, inodes: int, epoch: int) -> None:
    """Give every inode of an ext filesystem the moment as its change time: mke2fs -d copies the host's (ctime is now).

    `inodes`: how many the filesystem has in use; mke2fs takes them in their order. Raises BuildError.
    """
    script = "".join(f"sif <{number}> ctime @{epoch}\nsif <{number}> ctime_extra 0\n" for number in _numbers(inodes))
    argv = ["debugfs", "-w", "-f", "-", f"{target}?offset={offset}"]
    command.run(argv, doing="settling the inodes' times", stdin=script, environment=fake_time(epoch))


def _numbers(inodes: int) -> list[int]:
    """The root (2), and from 11 on (lost+found) what is not reserved (ext2_fs.h, EXT2_GOOD_OLD_FIRST_INO)."""
    return [2, *range(11, inodes + 1)]


def used_inodes(target: Path, offset: int) -> int:
    """How many inodes of an ext filesystem are in use, the ten reserved ones included. Raises BuildError."""
    argv = ["debugfs", "-R", "show_super_stats -h", f"{target}?offset={offset}"]
    output = command.run(argv, doing="reading the filesystem's header")
    fields = dict(line.split(":", 1) for line in output.splitlines() if ":" in line)
    try:
        return int(fields["Inode count"]) - int(fields["Free inodes"])
    except (KeyError, ValueError) as error:
        raise BuildError("the new filesystem's header cannot be read", details=output) from error
