"""What a folder holds, as nodes: one for each inode, hard links counted, in an order that depends on names alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

FTYPES = {
    stat.S_IFREG: 1, stat.S_IFDIR: 2, stat.S_IFCHR: 3, stat.S_IFBLK: 4, stat.S_IFIFO: 5, stat.S_IFSOCK: 6,
    stat.S_IFLNK: 7,
}  # fmt: skip


@dataclass(slots=True, eq=False)
class Node:
    """One inode to be. `entries`: a folder's names and nodes, sorted. `attributes`: by the kernel's names."""

    path: Path
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    size_bytes: int = 0
    links: int = 1
    major: int = 0
    minor: int = 0
    target: bytes = b""
    entries: list[tuple[bytes, Node]] = field(default_factory=list)
    attributes: list[tuple[str, bytes]] = field(default_factory=list)
    number: int = 0

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def ftype(self) -> int:
        return FTYPES[stat.S_IFMT(self.mode)]


def read_tree(folder: Path) -> Node:
    """The node of the folder, with all that is below."""
    seen: dict[tuple[int, int], Node] = {}
    root = _node(folder, folder.lstat())
    waiting = [root]
    while waiting:
        node = waiting.pop()
        with os.scandir(node.path) as found:
            listed = sorted(found, key=lambda entry: os.fsencode(entry.name))
        for entry in listed:
            status = entry.stat(follow_symlinks=False)
            key = (status.st_dev, status.st_ino)
            below = seen.get(key)
            if below is None:
                below = _node(Path(entry.path), status)
                if below.is_directory:
                    waiting.append(below)
                elif status.st_nlink > 1:
                    seen[key] = below
            else:
                below.links += 1
            node.entries.append((os.fsencode(entry.name), below))
        node.links = 2 + sum(below.is_directory for _name, below in node.entries)
    return root


def _node(path: Path, status: os.stat_result) -> Node:
    node = Node(path, status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns)
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFREG:
        node.size_bytes = status.st_size
    elif kind == stat.S_IFLNK:
        node.target = os.fsencode(os.readlink(path))  # noqa: PTH115 (a Path would lose a double slash)
    elif kind in (stat.S_IFCHR, stat.S_IFBLK):
        node.major, node.minor = os.major(status.st_rdev), os.minor(status.st_rdev)
    names = sorted(os.listxattr(path, follow_symlinks=False))
    node.attributes = [(name, os.getxattr(path, name, follow_symlinks=False)) for name in names]
    return node


def walk(root: Node) -> Iterator[Node]:
    """Each node once, a folder before what is in it."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        waiting += [below for _name, below in reversed(node.entries)]
