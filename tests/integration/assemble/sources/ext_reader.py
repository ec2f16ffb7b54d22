"""Reads a whole ext filesystem through debugfs, names as bytes: what was built, seen by another program."""

from __future__ import annotations

import re
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

_ENTRY = re.compile(rb"^/(\d+)/(\d+)/(\d+)/(\d+)/(.*?)/(\d*)/$", re.M | re.S)


@dataclass(frozen=True)
class Entry:
    """One name. `content`: a file's bytes, a link's target, a device's `c 1 3`."""

    inode: int
    mode: int
    uid: int
    gid: int
    mtime: int
    content: bytes
    xattrs: dict[str, bytes]
    blocks: int


def debugfs(image: Path, request: str, offset: int = 0) -> bytes:
    done = subprocess.run(
        ["/sbin/debugfs", "-R", request, f"{image}?offset={offset}"], capture_output=True, check=True, timeout=60
    )
    return done.stdout


def read_ext(image: Path, offset: int = 0) -> dict[bytes, Entry]:
    """Everything in the filesystem, by path without a leading slash (b"" is the root)."""
    found: dict[bytes, Entry] = {}
    folders = [(b"", 2)]
    seen: dict[int, Entry] = {}
    while folders:
        path, inode = folders.pop()
        found[path] = _entry(image, inode, offset, seen)
        for match in _ENTRY.finditer(debugfs(image, f"ls -p <{inode}>", offset)):
            number, mode, name = int(match[1]), int(match[2], 8), match[5]
            child = (path + b"/" + name).lstrip(b"/")
            if name in (b".", b"..") or number == 0:
                continue
            if stat.S_ISDIR(mode):
                folders.append((child, number))
            else:
                found[child] = _entry(image, number, offset, seen)
    return found


def _entry(image: Path, inode: int, offset: int, seen: dict[int, Entry]) -> Entry:
    if inode in seen:
        return seen[inode]
    text = debugfs(image, f"stat <{inode}>", offset).decode("latin-1")
    kind = _value(text, r"Type: (.+?)\s+Mode:")
    match kind:
        case "regular":
            content = debugfs(image, f"cat <{inode}>", offset)
            bits = stat.S_IFREG
        case "directory":
            content, bits = b"", stat.S_IFDIR
        case "symlink":
            link = re.search(r'Fast link dest: "(.*)"', text, re.S)
            content = link[1].encode("latin-1") if link else debugfs(image, f"cat <{inode}>", offset)
            bits = stat.S_IFLNK
        case "FIFO":
            content, bits = b"", stat.S_IFIFO
        case "character special" | "block special":
            letter, bits = ("c", stat.S_IFCHR) if kind.startswith("char") else ("b", stat.S_IFBLK)
            major, minor = re.search(r"major/minor number: (\d+):(\d+)", text).groups()  # type: ignore[union-attr]
            content = f"{letter} {int(major)} {int(minor)}".encode()
        case other:
            raise AssertionError(other)
    seen[inode] = Entry(
        inode=inode,
        mode=int(_value(text, r"Mode:\s+(\d+)"), 8) | bits,
        uid=int(_value(text, r"User:\s+(\d+)")),
        gid=int(_value(text, r"Group:\s+(\d+)")),
        mtime=int(_value(text, r"\bmtime: 0x([0-9a-f]+)"), 16),
        content=content,
        xattrs=_xattrs(image, inode, offset),
        blocks=int(_value(text, r"Blockcount: (\d+)")),
    )
    return seen[inode]


def _value(text: str, pattern: str) -> str:
    found = re.search(pattern, text)
    assert found, (pattern, text)
    return found[1]


def _xattrs(image: Path, inode: int, offset: int) -> dict[str, bytes]:
    listed = debugfs(image, f"ea_list <{inode}>", offset).decode("latin-1")
    names = re.findall(r"^  (\S+) \(\d+\)", listed, re.M)
    values = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            value = Path(folder) / "value"
            debugfs(image, f"ea_get -f {value} <{inode}> {name}", offset)
            values[name] = value.read_bytes()
    return values
