"""A small tree of just the places that edits touch: directories and links on the way, and the files that they read.

The edits are done there by the same code, after chroot(2), as in a whole tree: what they find is what they would find.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, assert_never

from imagebuild.assemble.inside import accounts
from imagebuild.assemble.inside.finish.catalogue import Catalogue, Noted
from imagebuild.assemble.inside.privileged import REFUSED
from imagebuild.plan.steps import (
    CopyFile,
    CopyInTree,
    FinishingEdit,
    MakeLink,
    RepackKernel,
    SetPassword,
    WriteFile,
    WriteSecret,
)
from imagebuild.plan.system_vocabulary import AddUser, AuthorizeKeys, JoinGroups

Want = Literal["place", "content", "all below"]
# Of files that are replaced without being read.
_NOT_READ = b"imagebuild has not read this file\n"
_MOST_LINKS = 40  # as Linux (path_resolution(7))

# Fills files of the frame with the content that the tree's files have: (path in the tree, file).
Reader = Callable[[Sequence[tuple[str, Path]]], None]


def make_frame(directory: Path, catalogue: Catalogue, edits: Iterable[FinishingEdit], read: Reader) -> None:
    """Make the small tree that the edits need in the empty directory `directory`. Raises BuildError."""
    places: dict[str, bool] = {"": False}
    for edit in edits:
        for path, want in _wants(edit):
            names = list(_on_the_way(catalogue, path, to_the_end=want != "place"))
            places |= {name: places.get(name, False) or want != "place" for name in names}
            if want == "all below" and names:
                places |= {other: True for other in catalogue if other.startswith(f"{names[-1]}/")}
    to_read = []
    for name, content in sorted(places.items()):
        entry, place = catalogue[name], _in_frame(directory, name)
        _put(place, entry)
        if content and entry.is_file:
            to_read.append((name, place))
    read(to_read)
    for name in sorted(places, reverse=True):  # a directory's own time comes after what is in it
        _set_status(str(_in_frame(directory, name)), catalogue[name])


def _in_frame(directory: Path, name: str) -> Path:
    return Path(f"{directory}{name}")


def _wants(edit: FinishingEdit) -> Iterator[tuple[str, Want]]:
    match edit:
        case WriteFile() | WriteSecret() | CopyFile() | MakeLink():
            yield edit.path, "place"
        case CopyInTree():
            yield edit.source, "content"
            yield edit.path, "place"
        case RepackKernel():
            yield edit.path, "content"
        case AddUser():
            yield from ((str(path), "content") for path in (*accounts.FILES, *accounts.SUBORDINATE))
            yield str(accounts.SKELETON), "all below"
            yield edit.home, "place"
        case JoinGroups() | SetPassword():
            yield from ((str(path), "content") for path in accounts.FILES)
        case AuthorizeKeys():
            yield f"{edit.home}/.ssh/authorized_keys", "content"
        case _:
            assert_never(edit)


def _on_the_way(catalogue: Catalogue, path: str, *, to_the_end: bool) -> Iterator[str]:
    """The names that are met when the path is followed, as far as it exists; a link at its end only `to_the_end`."""
    parts = path.split("/")[::-1]
    at = ""
    links = 0
    while parts:
        part = parts.pop()
        if part == "..":
            at = at.rpartition("/")[0]
            continue
        here = f"{at}/{part}" if part not in ("", ".") else at
        if (entry := catalogue.get(here)) is None:
            return
        yield here
        if entry.is_link and (to_the_end or parts):
            links += 1
            if links > _MOST_LINKS:
                return
            at = "" if entry.target.startswith("/") else at
            parts += entry.target.split("/")[::-1]
        else:
            at = here


def _put(path: Path, entry: Noted) -> None:
    if entry.is_directory:
        path.mkdir(exist_ok=True)
    elif entry.is_link:
        path.symlink_to(entry.target)
    else:
        path.write_bytes(_NOT_READ)


def _set_status(path: str, entry: Noted) -> None:
    os.chown(path, entry.uid, entry.gid, follow_symlinks=False)
    if not entry.is_link:
        os.chmod(path, entry.mode & 0o7777)  # noqa: PTH101
        for name, value in entry.attributes.items():
            try:
                os.setxattr(path, name, base64.b64decode(value))
            except OSError as error:  # a copy of the file (a home's, of /etc/skel) goes without it then
                if error.errno not in REFUSED:
                    raise
    os.utime(path, ns=(entry.mtime_ns, entry.mtime_ns), follow_symlinks=False)
