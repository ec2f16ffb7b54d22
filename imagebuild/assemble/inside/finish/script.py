"""The commands that make debugfs write the changes of a small tree into a filesystem."""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from imagebuild.assemble.inside.debugfs import belongs, quoted, within
from imagebuild.assemble.inside.finish.catalogue import Catalogue, attributes_of
from imagebuild.assemble.inside.finish.changes import Changes
from imagebuild.plan.disk_vocabulary import MakeExt


def commands_for(step: MakeExt, frame: Path, changes: Changes, catalogue: Catalogue, scratch: Path) -> Iterator[str]:
    """debugfs' commands for the part of the changes that lies in the step's filesystem.

    `frame` holds what is to be written; values of attributes are put into files of `scratch`.
    """
    for name in changes.removed:
        if belongs(step, name):
            yield f"{'rmdir' if catalogue[name].is_directory else 'rm'} {quoted(within(step, name))}"
    made = [name for name in changes.made if belongs(step, name)]
    for name in made:
        yield from _make(step, Path(f"{frame}{name}"), within(step, name))
    others = _other_names(changes, catalogue)
    for name in made:
        known = catalogue[name].attributes if name in changes.rewritten else attributes_of(f"{frame}{name}")
        yield from _attributes(within(step, name), known, scratch)
        yield from _links(step, name, [other for other in others.get(name, ()) if belongs(step, other)])
    for name in (*made, *(name for name in changes.touched if belongs(step, name))):
        yield from _fields(step, Path(f"{frame}{name}"), within(step, name))


def _make(step: MakeExt, path: Path, name: str) -> Iterator[str]:
    directory, _, last = name.rpartition("/")
    yield f"cd {quoted(directory or '/')}"
    if path.is_symlink():
        yield f"symlink {quoted(last)} {quoted(str(path.readlink()))}"
    elif path.is_dir():
        yield f"mkdir {quoted(last)}"
    else:
        yield f"write {quoted(str(path))} {quoted(last)}"
    yield "cd /"


def _fields(step: MakeExt, path: Path, name: str) -> Iterator[str]:
    status = path.lstat()
    seconds = status.st_mtime_ns // 10**9
    inode = quoted(name)
    if not stat.S_ISLNK(status.st_mode):
        yield f"set_inode_field {inode} mode 0{status.st_mode:o}"
    yield f"set_inode_field {inode} uid {status.st_uid}"
    yield f"set_inode_field {inode} gid {status.st_gid}"
    yield f"set_inode_field {inode} atime @{seconds}"
    yield f"set_inode_field {inode} mtime @{seconds}"


def _attributes(name: str, attributes: dict[str, str], scratch: Path) -> Iterator[str]:
    for attribute, value in attributes.items():
        file = scratch / f"attribute-{len(os.listdir(scratch))}"  # noqa: PTH208
        file.write_bytes(base64.b64decode(value))
        yield f"ea_set -f {quoted(str(file))} {quoted(name)} {attribute}"


def _other_names(changes: Changes, catalogue: Catalogue) -> dict[str, list[str]]:
    """The hard links to files that got another content: they are to be the same file again."""
    several = {name: catalogue[name].inode for name in changes.rewritten if catalogue[name].links > 1}
    return {
        name: [other for other, entry in catalogue.items() if entry.inode == inode and entry.is_file and other != name]
        for name, inode in several.items()
    }


def _links(step: MakeExt, name: str, others: list[str]) -> Iterator[str]:
    for other in others:
        yield f"rm {quoted(within(step, other))}"
        yield f"ln {quoted(within(step, name))} {quoted(within(step, other))}"
    if others:
        yield f"set_inode_field {quoted(within(step, name))} links_count {len(others) + 1}"
