"""Layers of a container image merged into one tar archive, without unpacking them.

Two passes: the first goes through all layers from the lowest up and keeps, for each path of the tree, which member of
which layer is to be seen there in the end; the second copies exactly those. So neither device nodes nor owners need
privileges, and nothing is written but the archive. Source: the OCI image specification, layer.md (whiteouts, hard
links, a file in the place of a directory and the reverse); symbolic links in a member's parents are followed inside the
tree, as containerd's archive package does it.
"""

from __future__ import annotations

import copy
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from imagebuild.errors import BuildError
from imagebuild.formats.text import escaped
from imagebuild.rootfs import archive
from imagebuild.rootfs.archive import clean_name

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_RESERVED = ".wh..wh."  # aufs' own files
_MOST_HOPS = 255
_MOST_HOLED_BYTES = 16 * 2**30

Key = tuple[int, int]


@dataclass(slots=True)
class _Node:
    """What is at one path. `key`: its member (layer, number); hard links to it have the same. `target`: of a link."""

    key: Key
    kind: bytes
    target: str = ""
    children: dict[str, _Node] = field(default_factory=dict)

    @property
    def is_directory(self) -> bool:
        return self.kind == tarfile.DIRTYPE


def merge_layers(layers: Sequence[Path], target: Path) -> None:
    """Write the tree of all layers (lowest first) into the tar file `target`. Raises BuildError."""
    tree = _Tree()
    for number, layer in enumerate(layers):
        tree.add_layer(number, layer)
    wanted: dict[Key, list[str]] = {}
    for path, node in tree.walk():
        wanted.setdefault(node.key, []).append(path)
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT, encoding="utf-8", errors="surrogateescape") as out:
        _copy(layers, out, wanted, directories=True)
        _copy(layers, out, wanted, directories=False)


def _copy(layers: Sequence[Path], out: tarfile.TarFile, wanted: dict[Key, list[str]], *, directories: bool) -> None:
    """Directories first, so that every parent comes before what is in it."""
    made = sorted((names[0], key) for key, names in wanted.items()) if directories else []
    headers: dict[Key, tarfile.TarInfo] = {}
    for number, layer in enumerate(layers):
        with archive.opened(layer) as members:
            for index, member in enumerate(members):
                key = (number, index)
                if key not in wanted or member.isdir() != directories:
                    continue
                if directories:
                    headers[key] = member
                else:
                    _copy_file(members, member, out, wanted[key])
    for name, key in made:
        if key in headers:
            out.addfile(_renamed(headers[key], name))


def _copy_file(members: archive.Members, member: tarfile.TarInfo, out: tarfile.TarFile, names: list[str]) -> None:
    first, *links = sorted(names)
    header = _renamed(member, first)
    if member.isreg():
        if member.sparse is not None and member.size > _MOST_HOLED_BYTES:
            raise BuildError(f"rootfs.oci: {escaped(first)} is a file with holes of {member.size} bytes")
        header.type = tarfile.REGTYPE
        out.addfile(header, members.open(member))
    else:
        out.addfile(header)
    for name in links:
        link = _renamed(member, name)
        link.type, link.linkname, link.size = tarfile.LNKTYPE, f"./{first}", 0
        link.pax_headers = {key: value for key, value in header.pax_headers.items() if key != "linkpath"}
        out.addfile(link)


def _renamed(member: tarfile.TarInfo, name: str) -> tarfile.TarInfo:
    """The header under another name; what it says about a sparse file's map no longer holds."""
    dropped = ("path", "size", "hdrcharset")
    headers = {
        key: value
        for key, value in member.pax_headers.items()
        if key not in dropped and not key.startswith("GNU.sparse")
    }
    header = copy.copy(member)
    header.name = f"./{name}"
    header.pax_headers = headers
    header.sparse = None
    return header


class _Tree:
    """The tree as the layers so far have made it."""

    def __init__(self) -> None:
        self._root = _Node((-1, -1), tarfile.DIRTYPE)

    def walk(self) -> Iterator[tuple[str, _Node]]:
        """Every path with its node. A directory that no layer lists (only things in it) has no member to copy."""
        waiting = [("", self._root)]
        while waiting:
            path, node = waiting.pop()
            yield path, node
            waiting += [(f"{path}/{name}".lstrip("/"), child) for name, child in node.children.items()]

    def add_layer(self, number: int, layer: Path) -> None:
        """Whiteouts take away what lower layers brought, so they come before the layer's own members."""
        with archive.opened(layer) as members:
            names = [member.name for member in members]
        for name in names:
            parts = _parts(name)
            if parts and parts[-1].startswith(_WHITEOUT):
                self._whiteout(parts)
        with archive.opened(layer) as members:
            for index, member in enumerate(members):
                parts = _parts(member.name)
                if not (parts and parts[-1].startswith(_WHITEOUT)):
                    self._add((number, index), parts, member)

    def _whiteout(self, parts: list[str]) -> None:
        directory = self._find(parts[:-1])
        if directory is None:
            return
        if parts[-1] == _OPAQUE:
            directory.children.clear()
        elif not parts[-1].startswith(_RESERVED):
            directory.children.pop(parts[-1].removeprefix(_WHITEOUT), None)

    def _add(self, key: Key, parts: list[str], member: tarfile.TarInfo) -> None:
        if not parts:
            if member.isdir():
                self._root.key = key
            return
        directory = self._made(parts[:-1])
        before = directory.children.get(parts[-1])
        if member.islnk():
            source = self._find(_parts(member.linkname), last=False)
            if source is None or source.is_directory:
                raise BuildError(
                    f"rootfs.oci: {escaped(member.name)} is a hard link to {escaped(member.linkname)}, "
                    "which is not a file before it"
                )
            directory.children[parts[-1]] = source
        elif member.isdir():
            children = before.children if before is not None and before.is_directory else {}
            directory.children[parts[-1]] = _Node(key, tarfile.DIRTYPE, children=children)
        else:
            directory.children[parts[-1]] = _Node(key, member.type, member.linkname if member.issym() else "")

    def _find(self, parts: list[str], *, last: bool = True) -> _Node | None:
        """The node at a path; symbolic links are followed inside the tree, the last one only if `last`."""
        return self._walk_to(parts, make=False, last=last)

    def _made(self, parts: list[str]) -> _Node:
        node = self._walk_to(parts, make=True, last=True)
        if node is None or not node.is_directory:
            raise BuildError(
                f"rootfs.oci: a layer puts something below {escaped('/'.join(parts))}, which is not a directory"
            )
        return node

    def _walk_to(self, parts: list[str], *, make: bool, last: bool) -> _Node | None:
        trail = [self._root]
        rest = list(parts)
        hops = 0
        while rest:
            name = rest.pop(0)
            if name == "..":
                trail = trail[:-1] or [self._root]
                continue
            node = trail[-1].children.get(name)
            if node is None:
                if not make:
                    return None
                node = _Node((-1, -1), tarfile.DIRTYPE)
                trail[-1].children[name] = node
            if node.kind == tarfile.SYMTYPE and (rest or last):
                hops += 1
                if hops > _MOST_HOPS:
                    raise BuildError(f"rootfs.oci: {escaped('/'.join(parts))} is a loop of symbolic links")
                trail = [self._root] if node.target.startswith("/") else trail
                rest = [part for part in node.target.split("/") if part not in ("", ".")] + rest
                continue
            if rest and not node.is_directory:
                return None
            trail.append(node)
        return trail[-1]


def _parts(name: str) -> list[str]:
    parts = clean_name(name).split("/") if clean_name(name) else []
    if ".." in parts:
        raise BuildError(
            f"rootfs.oci: {escaped(name)} of a layer points outside the tree with ..",
            resolution="a layer like that was not made by a container tool: do not use this image",
        )
    return parts
