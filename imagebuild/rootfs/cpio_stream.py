"""Reads a cpio archive (newc) from its first byte to its last: the payload of an rpm package.

Members come as tarfile's TarInfo, so that whatever takes a tar archive's members takes these as well.
Source: the kernel's Documentation/driver-api/early-userspace/buffer-format.rst; rpm's lib/cpio.c (hard links).
"""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Iterator
from typing import IO

from imagebuild.errors import BuildError
from imagebuild.formats.foreign import ForeignError, number
from imagebuild.formats.text import escaped
from imagebuild.rootfs.archive import MOST_CONTENT_BYTES, MOST_MEMBERS, clean_name

_HEADER_BYTES = 110
_MAGIC = (b"070701", b"070702")
_MOST_NAME_BYTES = 4096
_TYPES = {
    stat.S_IFREG: tarfile.REGTYPE, stat.S_IFDIR: tarfile.DIRTYPE, stat.S_IFLNK: tarfile.SYMTYPE,
    stat.S_IFCHR: tarfile.CHRTYPE, stat.S_IFBLK: tarfile.BLKTYPE, stat.S_IFIFO: tarfile.FIFOTYPE,
}  # fmt: skip


class _Content(io.RawIOBase):
    """The content of one member: so many bytes of the stream."""

    def __init__(self, stream: IO[bytes], size_bytes: int) -> None:
        self._stream = stream
        self.left_bytes = size_bytes

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        wanted = self.left_bytes if size < 0 else min(size, self.left_bytes)
        data = _exactly(self._stream, wanted)
        self.left_bytes -= len(data)
        return data


class CpioMembers:
    """The members in order. A member's content must be read before the next member is asked for."""

    def __init__(self, stream: IO[bytes], name: str) -> None:
        self._stream = stream
        self._name = name
        self._content: _Content | None = None

    def __iter__(self) -> Iterator[tarfile.TarInfo]:
        links: dict[tuple[int, int], list[tarfile.TarInfo]] = {}
        total = 0
        for _count in range(MOST_MEMBERS):
            member, inode = self._header()
            if member is None:
                yield from (info for waiting in links.values() for info in waiting)  # hard links to empty files
                return
            total += member.size
            if total > MOST_CONTENT_BYTES:
                break
            if inode is not None and member.size == 0:
                links.setdefault(inode, []).append(member)  # the content comes with the last name of the file
                continue
            yield member
            self._skip_rest(member.size)
            for link in links.pop(inode, []) if inode else []:
                link.type, link.linkname = tarfile.LNKTYPE, member.name
                yield link
        raise BuildError(f"{self._name} claims to hold more than {MOST_CONTENT_BYTES} bytes or {MOST_MEMBERS} files")

    def open(self, member: tarfile.TarInfo) -> IO[bytes]:
        """The content of a regular file, as a stream."""
        if not member.size or self._content is None:
            return io.BytesIO()
        return self._content  # type: ignore[return-value]  # RawIOBase reads bytes

    def content(self, member: tarfile.TarInfo, most_bytes: int) -> bytes:
        """The content of a regular file. Raises BuildError when it is larger than `most_bytes`."""
        if member.size > most_bytes:
            raise BuildError(
                f"{self._name}: {escaped(member.name)} has {member.size} bytes; at most {most_bytes} are read"
            )
        return self.open(member).read()

    def _header(self) -> tuple[tarfile.TarInfo | None, tuple[int, int] | None]:
        """The next member, and what identifies its file when that has several names; None at the end."""
        header = _exactly(self._stream, _HEADER_BYTES)
        if header[:6] not in _MAGIC:
            raise self._damaged(f"no cpio header, but {header[:6]!r}")
        try:
            text = header.decode("latin-1")
            fields = [number(text[start : start + 8], base=16) for start in range(6, _HEADER_BYTES, 8)]
        except ForeignError as error:
            raise self._damaged(str(error)) from error
        inode, mode, uid, gid, links, mtime, size, major, minor, rdev_major, rdev_minor, name_bytes, _check = fields
        if not 0 < name_bytes <= _MOST_NAME_BYTES:
            raise self._damaged(f"a name of {name_bytes} bytes")
        name = os.fsdecode(_exactly(self._stream, name_bytes).rstrip(b"\0"))
        _exactly(self._stream, -(_HEADER_BYTES + name_bytes) % 4)
        if name == "TRAILER!!!":
            return None, None
        kind = stat.S_IFMT(mode)
        if kind not in _TYPES:
            raise self._damaged(f"{escaped(name)} is of an unknown kind ({mode:o})")
        member = tarfile.TarInfo(clean_name(name))
        member.type, member.mode, member.uid, member.gid = _TYPES[kind], stat.S_IMODE(mode), uid, gid
        member.mtime, member.size, member.devmajor, member.devminor = mtime, size, rdev_major, rdev_minor
        if kind == stat.S_IFLNK:
            member.linkname = os.fsdecode(_exactly(self._stream, min(size, _MOST_NAME_BYTES)))
            _exactly(self._stream, -size % 4)
            member.size = 0
        self._content = _Content(self._stream, member.size)
        several = kind == stat.S_IFREG and links > 1
        return member, ((major << 32) + minor, inode) if several else None

    def _skip_rest(self, size: int) -> None:
        assert self._content is not None
        while self._content.left_bytes:
            self._content.read(2**20)
        _exactly(self._stream, -size % 4)

    def _damaged(self, why: str) -> BuildError:
        return BuildError(f"{self._name}: its payload is damaged", details=why)


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = stream.read(size - len(data))
        if not piece:
            raise BuildError("a package's payload ends early", resolution="download the package again")
        data = data + piece if data else piece
    return data
