"""The names in a tree with what lstat(2) says of each, cached beside the filesystems that the tree populates."""

from __future__ import annotations

import base64
import json
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from imagebuild.assemble.inside.debugfs import decoded
from imagebuild.assemble.inside.privileged import Deferred

NAME = "catalogue.json"


class Noted(NamedTuple):
    """`mode` with the file's type; `links` and `inode` as lstat gives them; `attributes` in base64."""

    mode: int
    uid: int
    gid: int
    mtime_ns: int
    links: int
    inode: int
    target: str
    attributes: dict[str, str]

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.mode)

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.mode)


Catalogue = Mapping[str, Noted]


def write(tree: Path, deferred: Deferred, path: Path) -> None:
    """Note everything below `tree` (its own path is "") into the file `path`.

    `deferred`: attributes that could not be set in the tree, and that the filesystems have nevertheless.
    """
    noted = dict(_walk(str(tree), ""))
    for attribute in deferred.attributes:
        if (entry := noted.get(decoded(attribute.path))) is not None:
            entry.attributes[attribute.name] = attribute.value
    path.write_text(json.dumps(noted), encoding="utf-8")


def read(path: Path) -> Catalogue:
    return {name: Noted(*fields) for name, fields in json.loads(path.read_text(encoding="utf-8")).items()}


def _walk(directory: str, name: str) -> Iterator[tuple[str, Noted]]:
    yield name, _note(directory)
    with os.scandir(directory) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            below = f"{name}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path, below)
            else:
                yield below, _note(entry.path)


def _note(path: str) -> Noted:
    status = os.lstat(path)
    return Noted(
        status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, status.st_nlink, status.st_ino,
        os.readlink(path) if stat.S_ISLNK(status.st_mode) else "",  # noqa: PTH115 (15,000 times: a Path costs more)
        attributes_of(path),
    )  # fmt: skip


def attributes_of(path: str) -> dict[str, str]:
    """The extended attributes of a file or directory, in base64; a link has none."""
    if os.path.islink(path):  # noqa: PTH114
        return {}
    names = os.listxattr(path, follow_symlinks=False)
    return {name: base64.b64encode(os.getxattr(path, name, follow_symlinks=False)).decode() for name in names}
