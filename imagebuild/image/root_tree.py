"""The tree that the running system sees: the root filesystem with what its fstab mounts, links followed within it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass

from imagebuild.filesystems.ext_blocks import Inode
from imagebuild.image.places import Place
from imagebuild.image.readers import Reader
from imagebuild.image.subject import Subject

_MOST_LINKS = 40  # Linux' MAXSYMLINKS
_PROGRAM_FOLDERS = ("/sbin", "/bin", "/usr/sbin", "/usr/bin", "/usr/lib/systemd", "/lib/systemd")
_MOST_NAMES = 400


@dataclass(frozen=True, slots=True)
class Found:
    """A file of the tree: its path behind all links, its path within `place`. `inode` is None where the reader of that
    filesystem sees none: then neither its mode is known nor whether it is a directory."""

    path: str
    place: Place
    inside: str
    inode: Inode | None

    @property
    def is_executable(self) -> bool:
        """Whether anybody may execute it; True where that cannot be seen."""
        return self.inode is None or (self.inode.type == "regular" and bool(self.inode.mode & 0o111))


class RootTree:
    """`mounts`: mountpoints and their places, beside the root's."""

    def __init__(self, subject: Subject, root: Place, mounts: Iterable[tuple[str, Place]] = ()) -> None:
        self._subject = subject
        pairs = [("/", root), *mounts]
        self._mounts = sorted(pairs, key=lambda pair: len(pair[0]), reverse=True)

    def find(self, path: str) -> Found | None:
        """The file at `path`, links followed as chroot(2) would have them; None: there is none."""
        pending = [part for part in path.split("/") if part not in ("", ".")]
        current, links = "/", 0
        while True:
            place, inside = self._place_of(current)
            reader = self._subject.reader(place)
            if reader is None:
                return None
            if not reader.sees_inodes:
                return self._unseen(reader, current, pending)
            inode = reader.look(inside)
            if inode is None:
                return None
            if inode.type == "symlink":
                links += 1
                if links > _MOST_LINKS:
                    return None
                target = reader.target(inside)
                pending = [part for part in target.split("/") if part not in ("", ".")] + pending
                current = "/" if target.startswith("/") else posixpath.dirname(current)
                continue
            if not pending:
                return Found(current, place, inside, inode)
            if inode.type != "directory":
                return None
            following = pending.pop(0)
            current = posixpath.dirname(current) if following == ".." else posixpath.join(current, following)

    def _unseen(self, reader: Reader, current: str, pending: list[str]) -> Found | None:
        """Of a filesystem whose reader shows no inodes: it follows links itself, as long as they stay within it."""
        path = posixpath.join(current, *pending)
        place, inside = self._place_of(path)
        if self._subject.reader(place) is not reader:
            return self.find(path) if current != path else None
        folder, _, name = inside.rpartition("/")
        return Found(path, place, inside, None) if not name or name in reader.names(folder or "/") else None

    def _place_of(self, path: str) -> tuple[Place, str]:
        for mountpoint, place in self._mounts:
            if mountpoint == "/" or path == mountpoint or path.startswith(f"{mountpoint}/"):
                return place, "/" + path.removeprefix(mountpoint).lstrip("/")
        raise AssertionError(path)

    def read(self, found: Found, most_bytes: int) -> bytes:
        """Its content. Raises ReadError."""
        return self._subject.read(found.place, found.inside, most_bytes)

    def names(self, folder: str) -> list[str]:
        found = self.find(folder)
        reader = self._subject.reader(found.place) if found else None
        return reader.names(found.inside) if found and reader else []

    def has_programs(self) -> bool:
        """Whether anything in it could be started: a tree without a single program is no operating system."""
        for folder in _PROGRAM_FOLDERS:
            for name in sorted(self.names(folder))[:_MOST_NAMES]:
                found = self.find(f"{folder}/{name}")
                if found is not None and found.is_executable:
                    return True
        return False
