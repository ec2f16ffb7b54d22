"""Reads files out of an image by other code than GRUB 0.97's: debugfs for ext, GRUB 2's readers for the rest.

A reader follows symbolic links as a boot loader does: an absolute one starts at the root of its own filesystem.
"""

from __future__ import annotations

import itertools
import posixpath
import re
from pathlib import Path
from typing import Literal, Protocol

from imagebuild.filesystems.ext_blocks import Inode, read_stat
from imagebuild.filesystems.table import known
from imagebuild.formats.text import excerpt
from imagebuild.image.places import Place
from imagebuild.image.witness import WitnessError, ask
from imagebuild.testhost import Tools

_MOST_LINKS = 8
# A hundred times what any file of a real image takes. What takes longer is not heard (witness.py).
_TIMEOUT_SECONDS = 300
_numbers = itertools.count()
_LISTED = re.compile(r"^(?:DIR|\d+)\s+\d{14}\s(?P<name>.*)$", re.M)


class ReadError(Exception):
    """A file cannot be read; `kind` says in which way, the message in words."""

    def __init__(self, kind: Literal["missing", "not a file", "too large", "unreadable"], message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Reader(Protocol):
    """Reads one place of an image. `witness` is the program behind it, as a report names it.

    Every method raises WitnessError where that program could not be heard, and from then on at once.
    """

    witness: str
    sees_inodes: bool

    def read(self, path: str, most_bytes: int) -> bytes:
        """The whole file. Raises ReadError: no such file, not a regular file, larger than `most_bytes`, unreadable."""
        ...

    def names(self, folder: str) -> list[str]:
        """The names in a folder, without `.` and `..`; empty when there is no such folder."""
        ...

    def inode(self, path: str) -> Inode | None:
        """Where the file's blocks lie; None when this reader cannot tell."""
        ...

    def look(self, path: str) -> Inode | None:
        """What has this name itself, a link in its last part not followed; None where nothing has it, and where
        `sees_inodes` is False."""
        ...

    def target(self, path: str) -> str:
        """A symbolic link's target; empty where `look` finds none."""
        ...


class DebugfsReader:
    """For ext. Sees the filesystem as it lies there, without replaying a journal."""

    witness = "debugfs"
    sees_inodes = True

    def __init__(self, raw: Path, place: Place) -> None:
        self._source = f"{raw.name}?offset={place.runs[0].offset_bytes}"
        self._program = _Program(self.witness, raw.parent, "debugfs ")
        self._folder = raw.parent
        self._known: dict[str, Inode | None] = {}

    def read(self, path: str, most_bytes: int) -> bytes:
        inode = self._resolve(path)
        if inode.type != "regular":
            raise ReadError("not a file", f"{excerpt(path)} is not a regular file but: {inode.type}")
        if inode.size_bytes > most_bytes:
            raise ReadError("too large", f"{excerpt(path)} has {inode.size_bytes} bytes, more than {most_bytes}")
        return self._dump(inode, most_bytes)

    def inode(self, path: str) -> Inode | None:
        try:
            return self._resolve(path)
        except ReadError:
            return None

    def look(self, path: str) -> Inode | None:
        return self._stat(path)

    def target(self, path: str) -> str:
        inode = self._stat(path)
        return self._target_of(inode) if inode and inode.type == "symlink" else ""

    def _target_of(self, inode: Inode) -> str:
        return inode.target or self._dump(inode, 4096).decode("utf-8", "surrogateescape")

    def names(self, folder: str) -> list[str]:
        try:
            inode = self._resolve(folder)
        except ReadError:
            return []
        # `ls -p` prints /inode/mode/uid/gid/name/size/
        lines = [line.split("/") for line in self._run(f"ls -p <{inode.number}>").splitlines()]
        return [line[5] for line in lines if len(line) >= 7 and line[5] not in (".", "..")]

    def _run(self, request: str, most_file_bytes: int = 0) -> str:
        return self._program.run(["debugfs", "-R", request, self._source], most_file_bytes)

    def _dump(self, inode: Inode, most_bytes: int) -> bytes:
        found = _new_file(self._folder)
        output = self._run(f"dump <{inode.number}> {found.name}", most_bytes + 1)
        content = found.read_bytes() if found.is_file() else b""
        found.unlink(missing_ok=True)
        if len(content) != inode.size_bytes:
            raise ReadError("unreadable", f"debugfs read {len(content)} of {inode.size_bytes} bytes: {excerpt(output)}")
        return content

    def _resolve(self, path: str) -> Inode:
        current = path
        for _link in range(_MOST_LINKS + 1):
            inode = self._stat(current)
            if inode is None:
                through = f" (through a symbolic link to {excerpt(current)})" if current != path else ""
                raise ReadError("missing", f"{excerpt(path)} does not exist{through}")
            if inode.type != "symlink":
                return inode
            target = self._target_of(inode)
            current = posixpath.join(posixpath.dirname(current), target)
        raise ReadError("missing", f"{excerpt(path)}: more than {_MOST_LINKS} symbolic links, one after the other")

    def _stat(self, path: str) -> Inode | None:
        path = re.sub("/+", "/", f"/{path}")  # debugfs refuses `//`; the loaders do not
        if "\n" in path or "\0" in path:
            return None  # debugfs reads its requests line by line
        if path not in self._known:
            quoted = path.replace('"', '""')
            self._known[path] = read_stat(self._run(f'stat "{quoted}"'))
        return self._known[path]


class FstestReader:
    """For all that GRUB 2 reads (XFS, Btrfs, ReiserFS, and any of them on LVM), through its grub-fstest."""

    witness = "grub-fstest"
    sees_inodes = False

    def __init__(self, raw: Path, place: Place, tools: Tools) -> None:
        self._raw = raw
        self._program = _Program(self.witness, raw.parent)
        self._folder = raw.parent
        self._place = place
        self._tools = tools

    def read(self, path: str, most_bytes: int) -> bytes:
        found = _new_file(self._folder)
        looked = self._run(["cp", self._place.grub2 + _absolute(path), found.name], most_bytes + 1)
        size = found.stat().st_size if found.is_file() else 0
        content = found.read_bytes() if size <= most_bytes and found.is_file() else b""
        found.unlink(missing_ok=True)
        if size > most_bytes:
            raise ReadError("too large", f"{excerpt(path)} has more than {most_bytes} bytes")
        if "not found" in looked or "too deep nesting" in looked:
            raise ReadError("missing", f"{excerpt(path)} does not exist")
        if "not a regular file" in looked:
            raise ReadError("not a file", f"{excerpt(path)} is not a regular file")
        if "error:" in looked:
            raise ReadError("unreadable", excerpt(looked.rpartition("error:")[2].strip()))
        return content

    def names(self, folder: str) -> list[str]:
        output = self._run(["ls", "--", "-l", self._place.grub2 + _absolute(folder).rstrip("/") + "/"])
        return [match["name"].rstrip("/") for match in _LISTED.finditer(output)]

    def inode(self, path: str) -> Inode | None:
        return None

    def look(self, path: str) -> Inode | None:
        return None

    def target(self, path: str) -> str:
        return ""

    def _run(self, words: list[str], most_file_bytes: int = 0) -> str:
        return self._program.run([*self._tools.grub_fstest(), self._raw.name, *words], most_file_bytes)


class _Program:
    """The program behind a reader. One that could not be heard is not asked again: it would cost its time each time."""

    def __init__(self, name: str, folder: Path, begins: str = "") -> None:
        self._name = name
        self._folder = folder
        self._begins = begins
        self._trouble: WitnessError | None = None

    def run(self, argv: list[str], most_file_bytes: int) -> str:
        if self._trouble is not None:
            raise self._trouble
        try:
            looked = ask(
                argv, name=self._name, answers=(0, 1), begins=self._begins, folder=self._folder,
                timeout_seconds=_TIMEOUT_SECONDS, most_file_bytes=most_file_bytes,
                writes_into=self._folder if most_file_bytes else None,
            )  # fmt: skip
            if looked.end == "output":
                raise WitnessError(f"{self._name} printed more than can be read")
        except WitnessError as error:
            self._trouble = error
            raise
        return looked.text


def _new_file(folder: Path) -> Path:
    """A name for a file that a program is to write: static checks and boots read side by side."""
    return folder / f"read-{next(_numbers)}"


def _absolute(path: str) -> str:
    return path if path.startswith("/") else f"/{path}"


def reader_of(raw: Path, place: Place, tools: Tools) -> Reader | None:
    """The reader for a place of `raw`, beside which it may write; None where none of them reads what is there."""
    match program_for(place):
        case "debugfs":
            return DebugfsReader(raw, place)
        case "grub-fstest":
            return FstestReader(raw, place, tools)
        case None:
            return None


def program_for(place: Place) -> Literal["debugfs", "grub-fstest"] | None:
    """The program that reads the place; None where none does. debugfs knows one stretch of a file only."""
    filesystem = known(place.type)
    if filesystem is None or filesystem.reader != "debugfs" or len(place.runs) == 1:
        return filesystem.reader if filesystem else None
    return "grub-fstest"
