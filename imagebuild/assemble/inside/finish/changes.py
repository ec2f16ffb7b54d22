"""What has changed in a small tree between two looks at it."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from imagebuild.host.digest import file_sha256


@dataclass(frozen=True, slots=True)
class State:
    """One name: `content` is a file's sha256, a link's target, or the sorted names in a directory."""

    mode: int
    uid: int
    gid: int
    inode: int
    content: str

    @property
    def owner(self) -> tuple[int, int, int]:
        return self.mode, self.uid, self.gid


@dataclass(frozen=True, slots=True)
class Changes:
    """Names by what is to be done. A name that got another content in the same file is in `removed` and `made`, too.

    `rewritten`: the same file with another content; it keeps its attributes. `touched`: directories with other names in
    them, and what has another mode or owner.
    """

    removed: tuple[str, ...]
    made: tuple[str, ...]
    rewritten: frozenset[str]
    touched: tuple[str, ...]


class Listing:
    """All names below a directory. Files stay open until `close`: no new file gets the number of a removed one."""

    def __init__(self, directory: Path) -> None:
        self.states: dict[str, State] = {}
        self._open: list[int] = []
        for place, directories, files in os.walk(directory):
            name = place.removeprefix(str(directory))
            self._add(name, place)
            for entry in files + [entry for entry in directories if Path(place, entry).is_symlink()]:
                self._add(f"{name}/{entry}", f"{place}/{entry}")

    def _add(self, name: str, path: str) -> None:
        status = os.lstat(path)
        self._open.append(os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC))
        self.states[name] = State(status.st_mode, status.st_uid, status.st_gid, status.st_ino, _content(path, status))

    def close(self) -> None:
        while self._open:
            os.close(self._open.pop())


def _content(path: str, status: os.stat_result) -> str:
    if stat.S_ISDIR(status.st_mode):
        return "/".join(sorted(os.listdir(path)))  # noqa: PTH208
    if stat.S_ISLNK(status.st_mode):
        return os.readlink(path)  # noqa: PTH115
    return file_sha256(path)


def between(before: Mapping[str, State], after: Mapping[str, State]) -> Changes:
    """What to do to come from the one to the other; names in the order of their paths."""
    replaced, rewritten, touched = set(), set(), set()
    for name in before.keys() & after.keys():
        old, new = before[name], after[name]
        if stat.S_IFMT(old.mode) != stat.S_IFMT(new.mode) or (not stat.S_ISDIR(new.mode) and old.inode != new.inode):
            replaced.add(name)
        elif old.content != new.content and not stat.S_ISDIR(new.mode):
            rewritten.add(name)
        elif old.owner != new.owner or old.content != new.content:
            touched.add(name)
    replaced |= rewritten
    return Changes(
        removed=tuple(sorted((before.keys() - after.keys()) | replaced, reverse=True)),
        made=tuple(sorted((after.keys() - before.keys()) | replaced)),
        rewritten=frozenset(rewritten),
        touched=tuple(sorted(touched)),
    )
