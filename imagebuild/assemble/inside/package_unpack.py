"""Unpacks a package's files into the root directory: called after chroot(2), so no link leads out of the tree.

Its scripts are not run: those of a kernel package would make an initrd for this machine and write a boot loader. What
they do that an image needs (depmod, the initrd, the menu) are steps of their own.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path
from typing import BinaryIO

from imagebuild.assemble.inside.directories import make_directory
from imagebuild.errors import BuildError
from imagebuild.formats.text import escaped
from imagebuild.rootfs.archive import clean_name
from imagebuild.rootfs.package_file import PackageMembers, opened


def unpack_package(file: BinaryIO, name: str) -> None:
    """All members of the package in the open file, below /. Raises BuildError, OSError."""
    with opened(file, name) as members:
        directories = [_place(members, member, name) for member in members]
    for place, mtime in (directory for directory in directories if directory is not None):
        os.utime(place, (mtime, mtime))


def _place(members: PackageMembers, member: tarfile.TarInfo, name: str) -> tuple[Path, float] | None:
    """Make one member; returns a directory with the time that it is to have in the end."""
    relative = clean_name(member.name)
    if ".." in relative.split("/") or (member.islnk() and ".." in member.linkname.split("/")):
        raise BuildError(f"{name}: {escaped(member.name)} points outside the tree with ..")
    path = Path("/") / relative
    if member.isdir():
        if path.is_dir():
            return None  # also through a link: /lib of a merged /usr
        path.mkdir(parents=True)
        _own(path, member)
        return path, member.mtime
    make_directory(path.parent)
    path.unlink(missing_ok=True)
    if member.issym():
        path.symlink_to(member.linkname)
        os.lchown(path, member.uid, member.gid)
        return None
    if member.islnk():
        path.hardlink_to(Path("/") / clean_name(member.linkname))
        return None
    if not member.isreg():
        raise BuildError(f"{name}: {escaped(member.name)} is a device or pipe: a kernel's package has none")
    with path.open("wb") as out:
        shutil.copyfileobj(members.open(member), out, 2**20)
    _own(path, member)
    os.utime(path, (member.mtime, member.mtime))
    return None


def _own(path: Path, member: tarfile.TarInfo) -> None:
    os.chown(path, member.uid, member.gid)
    path.chmod(member.mode & 0o7777)
