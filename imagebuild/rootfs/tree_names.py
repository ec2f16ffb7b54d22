"""Where each member of an archive will lie in the tree; refuses names that lead out of it, or cannot be unpacked.

tar itself guards against them too (its manual, "Security rules of thumb"), but by leaving members out or failing in the
middle. Here the whole archive is looked through before anything is unpacked.
"""

from __future__ import annotations

import tarfile
from dataclasses import dataclass, field
from typing import Literal

from imagebuild.errors import BuildError
from imagebuild.formats.text import escaped
from imagebuild.rootfs.archive import clean_name

Kind = Literal["file", "directory", "link", "device", "fifo"]
_MOST_HOPS = 40  # Linux' own limit for symbolic links in a path (path_resolution(7))
_MOST_NAME_BYTES = 255
_MOST_PATH_BYTES = 4095
_MAKE_ANEW = "make the archive again from the tree itself, with GNU tar or bsdtar"


@dataclass(slots=True)
class TreeNames:
    """What has passed by so far: the kind of each path, and the target of each symbolic link."""

    _kinds: dict[str, Kind] = field(default_factory=lambda: {"": "directory"})
    _links: dict[str, str] = field(default_factory=dict)

    def place(self, member: tarfile.TarInfo) -> str:
        """The member's path in the tree, without a leading slash ("" is the root). Raises BuildError."""
        kind = _kind(member)
        path = self._resolved(member.name)
        if member.islnk():
            target = self._resolved(member.linkname)
            if self._kinds.get(target, "directory") == "directory":
                raise _refused(
                    member.name, f"is a hard link to {escaped(member.linkname)}, which is not a file before it"
                )
            kind = self._kinds[target]
        before = self._kinds.get(path)
        if before is not None and before != kind and "device" in (before, kind):
            raise _refused(member.name, f"is in the archive twice, as a {before} and as a {kind}")
        self._kinds[path] = kind
        if kind == "link" and not member.islnk():
            self._links[path] = member.linkname
        elif before == "link":
            self._links.pop(path, None)
        return path

    def _resolved(self, name: str) -> str:
        """The path with the symbolic links of its parents followed, as far as tar follows them."""
        parts = _parts(name)
        hops = 0
        done: list[str] = []
        while parts:
            done.append(parts.pop(0))
            target = self._links.get("/".join(done)) if parts else None
            if target is None:
                continue
            hops += 1
            if target.startswith("/") or ".." in target.split("/") or hops > _MOST_HOPS:
                link = escaped("/".join(done))
                raise _refused(name, f"is below the symbolic link {link} -> {escaped(target)}")
            done.pop()
            parts = [*_parts(target), *parts]
        return "/".join(done)


def _parts(name: str) -> list[str]:
    parts = clean_name(name).split("/") if clean_name(name) else []
    if ".." in parts:
        raise _refused(name, "points outside the tree with ..")
    longest = max((len(part.encode("utf-8", "surrogateescape")) for part in parts), default=0)
    if longest > _MOST_NAME_BYTES or sum(map(len, parts)) + len(parts) > _MOST_PATH_BYTES:
        raise _refused(name[:64] + "…", "is longer than Linux allows (255 bytes for a name, 4095 for a path)")
    return parts


def _kind(member: tarfile.TarInfo) -> Kind:
    if member.isreg() or member.islnk():
        return "file"
    if member.isdir():
        return "directory"
    if member.issym():
        return "link"
    if member.ischr() or member.isblk():
        return "device"
    if member.isfifo():
        return "fifo"
    raise _refused(member.name, f"is of a kind that no tree holds (tar's type {member.type!r})")


def _refused(name: str, why: str) -> BuildError:
    return BuildError(f"rootfs: {escaped(name)} {why}", resolution=_MAKE_ANEW)
