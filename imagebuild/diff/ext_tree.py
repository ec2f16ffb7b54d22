"""All files of an ext filesystem, by debugfs: 15,000 files in some seconds, without appliance, mount or root.

debugfs takes many requests from a file (-f) and repeats each before its answer, so that one process tells of all:
first the folders, level by level (`ls -p`), then every inode (`stat`), then every content (`cat`), whose length is
known by then. Nothing is written anywhere: contents are hashed as they pass by.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagebuild.diff.snapshot import FileFacts
from imagebuild.errors import VerifyError
from imagebuild.host import command
from imagebuild.limits import HOLES

_TYPES = {0o10: "file", 0o04: "directory", 0o12: "link", 0o02: "character", 0o06: "block", 0o01: "fifo", 0o14: "socket"}
_LISTED = re.compile(rb"^/(\d+)/(\d{6})/(\d+)/(\d+)/([^/]+)/(\d*)/$", re.M)  # a name may hold a line's end
_DEVICE = re.compile(r"Device major/minor number: (\d+):(\d+)")
_FAST_LINK = re.compile(r'^Fast link dest: "(.*)"$', re.M | re.S)
_SIZE = re.compile(r"\bSize: (\d+)$", re.M)
_XATTR = re.compile(r"^  (\S+) \(\d+\)(?: = (.*))?$", re.M)
_CHUNK = 256 * 1024
_MOST_TEXT_BYTES = 2**28
_TIMEOUT_SECONDS = 1800


@dataclass(slots=True)
class _Node:
    path: str
    inode: int
    mode: int
    uid: int
    gid: int

    @property
    def type(self) -> str:
        return _TYPES.get(self.mode >> 12, "unknown")


class ExtTree:
    """The filesystem that begins at `offset_bytes` of `raw`; `scratch` is for the lists of requests."""

    def __init__(self, raw: Path, offset_bytes: int, scratch: Path) -> None:
        self._raw = raw
        self._source = f"{raw}?offset={offset_bytes}"
        self._scratch = scratch

    def files(self) -> dict[str, FileFacts]:
        """Every file by its path from the filesystem's root (`/` is the root itself).

        Raises VerifyError when the filesystem cannot be read.
        """
        nodes = list(self._walk())
        if not nodes:
            raise VerifyError("debugfs finds no files in the filesystem", resolution="look at it with: debugfs IMAGE")
        numbers = sorted({node.inode for node in nodes})
        told = dict(zip(numbers, self._answers([f"stat <{number}>" for number in numbers]), strict=True))
        stats = {number: text.decode("utf-8", "surrogateescape") for number, text in told.items()}
        sizes = {node.inode: _size(stats[node.inode]) for node in nodes if _has_content(node, stats[node.inode])}
        if sum(sizes.values()) > self._raw.stat().st_blocks * 512 + HOLES.most:
            raise VerifyError(
                f"the image's files have {sum(sizes.values())} bytes, and the image itself far fewer: {HOLES.exceeded}"
            )
        contents = self._contents(sizes, {node.inode for node in nodes if node.type == "link"})
        return {node.path: _facts(node, stats[node.inode], sizes.get(node.inode, 0), contents) for node in nodes}

    def _walk(self) -> Iterator[_Node]:
        seen, level = {2}, [("/", 2)]
        while level:
            deeper: list[tuple[str, int]] = []
            for (folder, _), answer in zip(level, self._answers([f"ls -p <{n}>" for _, n in level]), strict=True):
                for node in _listed(folder, answer):
                    if node.path == "/" and folder != "/":
                        continue
                    yield node
                    if node.type == "directory" and node.inode not in seen:  # a damaged one may lead in circles
                        seen.add(node.inode)
                        deeper.append((node.path, node.inode))
            level = deeper

    def _answers(self, requests: list[str]) -> list[bytes]:
        """What debugfs says to each request."""
        output = bytearray()

        def collect(chunk: bytes) -> None:
            if len(output) < _MOST_TEXT_BYTES:
                output.extend(chunk)

        self._run(requests, collect)
        answers: list[bytes] = []
        start = 0
        for request in requests:
            echo = f"debugfs: {request}\n".encode()
            at = output.find(echo, start)
            if at < 0:
                raise VerifyError(
                    "debugfs cannot read the filesystem", details=bytes(output[-500:]).decode("utf-8", "replace")
                )
            if answers or at:
                answers.append(bytes(output[start:at]))
            else:
                answers.append(b"")
            start = at + len(echo)
        return [*answers[1:], bytes(output[start:])]

    def _contents(self, sizes: dict[int, int], wanted_whole: set[int]) -> dict[int, tuple[str, bytes]]:
        """Each inode's sha256, and its content where that is wanted (a long link's target)."""
        reader = _Contents(sizes, wanted_whole)
        self._run([f"cat <{number}>" for number in sizes], reader.feed)
        return reader.finish()

    def _run(self, requests: Iterable[str], take: Any) -> None:
        requests_file = self._scratch / "requests"
        requests_file.write_text("\n".join(requests) + "\n", encoding="ascii")
        argv = ["prlimit", "--fsize=0", "--core=0", "--", "debugfs", "-f", str(requests_file), self._source]
        command.require("debugfs", "e2fsprogs")
        with command.running(argv, on_bytes=take, chunk_bytes=_CHUNK) as process:
            exit_code = process.wait()
        if exit_code < 0:  # any other: how many requests it could not carry out
            raise VerifyError(f"debugfs could not be heard: it was ended by signal {-exit_code}")


def _listed(folder: str, answer: bytes) -> Iterator[_Node]:
    for match in _LISTED.finditer(answer):
        inode, mode, uid, gid = (int(match[1]), int(match[2], 8), int(match[3]), int(match[4]))
        name = match[5].decode("utf-8", "surrogateescape")
        if name == "." and folder == "/":
            yield _Node("/", inode, mode, uid, gid)
        elif name not in (".", "..") and inode:
            yield _Node(f"{folder.rstrip('/')}/{name}", inode, mode, uid, gid)


def _has_content(node: _Node, stat: str) -> bool:
    """Of a file, and of a link whose target is too long for its inode."""
    return node.type == "file" or (node.type == "link" and not _FAST_LINK.search(stat))


def _size(stat: str) -> int:
    match = _SIZE.search(stat)
    return int(match[1]) if match else 0


def _facts(node: _Node, stat: str, size: int, contents: dict[int, tuple[str, bytes]]) -> FileFacts:
    digest, content = contents.get(node.inode, ("", b""))
    link, device = _FAST_LINK.search(stat), _DEVICE.search(stat)
    begin = stat.find("\nExtended attributes:\n")
    attributes = _XATTR.findall(stat[begin:]) if begin >= 0 else []
    return FileFacts(
        type=node.type,
        mode=node.mode & 0o7777,
        uid=node.uid,
        gid=node.gid,
        size_bytes=size if node.type == "file" else 0,
        sha256=digest if node.type == "file" else "",
        target=(link[1] if link else content.decode("utf-8", "surrogateescape")) if node.type == "link" else "",
        device=":".join(str(int(part)) for part in device.groups())
        if device and node.type in ("character", "block")
        else "",
        xattrs=tuple(sorted((name, _hex(value.strip())) for name, value in attributes)),
    )


def _hex(value: str) -> str:
    """An attribute's value, which debugfs shows as a quoted text where it can."""
    if not value.startswith('"'):
        return value
    return value[1:-1].encode("utf-8", "surrogateescape").hex(" ")


class _Contents:
    """Takes debugfs' answers to `cat` apart as they come: an echo, then as many bytes as the file has."""

    def __init__(self, sizes: dict[int, int], whole: set[int]) -> None:
        self._waiting = list(sizes.items())[::-1]
        self._whole = whole
        self._buffer = bytearray()
        self._left = -1  # -1: an echo is awaited
        self._number = 0
        self._hash: Any = None
        self._kept = bytearray()
        self._found: dict[int, tuple[str, bytes]] = {}

    def feed(self, chunk: bytes) -> None:
        self._buffer += chunk
        while self._step():
            pass

    def _step(self) -> bool:
        if self._left < 0:
            if not self._waiting:
                self._buffer.clear()
                return False
            number, size = self._waiting[-1]
            echo = f"debugfs: cat <{number}>\n".encode()
            at = self._buffer.find(echo)
            if at < 0:
                return False
            del self._buffer[: at + len(echo)]
            self._waiting.pop()
            self._number, self._left, self._hash = number, size, hashlib.sha256()
            self._kept.clear()
        taken = self._buffer[: self._left]
        del self._buffer[: self._left]
        self._hash.update(taken)
        if self._number in self._whole:
            self._kept += taken
        self._left -= len(taken)
        if self._left:
            return False
        self._found[self._number] = (self._hash.hexdigest(), bytes(self._kept))
        self._left = -1
        return True

    def finish(self) -> dict[int, tuple[str, bytes]]:
        if self._waiting or self._left >= 0:
            raise VerifyError("debugfs could not read every file", resolution="check the filesystem: e2fsck -fn IMAGE")
        return self._found
