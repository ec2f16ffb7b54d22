"""Opens a .deb or .rpm file: what is in it, member by member, as from a tar archive.

Sources: deb(5) and ar's format (ar(5)); formats/rpm.py for rpm's.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from typing import IO, BinaryIO, Protocol, cast

import zstandard

from imagebuild.errors import BuildError
from imagebuild.formats.foreign import number_or_none
from imagebuild.formats.rpm import RpmError, header_bytes_needed, read_rpm
from imagebuild.rootfs import archive
from imagebuild.rootfs.cpio_stream import CpioMembers

_AR_MAGIC = b"!<arch>\n"
_AR_HEADER_BYTES = 60
_MOST_AR_MEMBERS = 20


class PackageMembers(Protocol):
    """What both kinds of package offer: members in order, and the content of the one at hand."""

    def __iter__(self) -> Iterator[tarfile.TarInfo]: ...

    def open(self, member: tarfile.TarInfo) -> IO[bytes]: ...

    def content(self, member: tarfile.TarInfo, most_bytes: int) -> bytes: ...


@contextlib.contextmanager
def opened(file: BinaryIO, name: str) -> Iterator[PackageMembers]:
    """The members of a package, by its content; `name` is for messages. Raises BuildError."""
    start = file.read(8)
    file.seek(0)
    if start == _AR_MAGIC:
        with archive.reading(_deb_data(file, name), name) as members:
            yield members
    elif start[:4] == b"\xed\xab\xee\xdb":
        try:
            yield CpioMembers(archive.unpacked(_rpm_payload(file, name)), name)
        except (zlib.error, lzma.LZMAError, zstandard.ZstdError, EOFError, gzip.BadGzipFile) as error:
            raise BuildError(f"{name}: its payload is damaged", details=str(error)) from error
    else:
        raise BuildError(f"{name} is neither a .deb nor an .rpm package")


def _deb_data(file: BinaryIO, name: str) -> BinaryIO:
    """The member data.tar of the ar archive, whatever it is compressed with."""
    file.seek(len(_AR_MAGIC))
    for _number in range(_MOST_AR_MEMBERS):
        header = file.read(_AR_HEADER_BYTES)
        if len(header) < _AR_HEADER_BYTES or header[58:60] != b"`\n":
            break
        size = number_or_none(header[48:58].decode("ascii", "replace").strip())
        if size is None:
            break
        if header[:16].startswith(b"data.tar"):
            return cast(BinaryIO, io.BufferedReader(_Part(file, file.tell(), size)))
        file.seek(size + size % 2, io.SEEK_CUR)
    raise BuildError(f"{name} is not a complete .deb package: it has no data.tar")


def _rpm_payload(file: BinaryIO, name: str) -> BinaryIO:
    data = b""
    try:
        while (needed := header_bytes_needed(data)) > len(data):
            more = file.read(needed - len(data))
            if not more:
                raise RpmError("it ends within its headers")
            data += more
        facts = read_rpm(data)
    except RpmError as error:
        raise BuildError(f"{name} is not a complete .rpm package: {error}") from error
    if facts.payload_format != "cpio" or facts.is_source:
        what = (
            "a source package" if facts.is_source else f"a package with a payload in the format {facts.payload_format}"
        )
        raise BuildError(f"{name} is {what}", resolution="give a package of binaries, with a cpio payload")
    end = file.seek(0, io.SEEK_END)
    return cast(BinaryIO, io.BufferedReader(_Part(file, facts.payload_offset, end - facts.payload_offset)))


class _Part(io.RawIOBase):
    """A part of a file as a file of its own."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file, self._start, self._size = file, start, size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._at = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence] + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # any writable buffer
        self._file.seek(self._start + self._at)
        data = self._file.read(min(len(buffer), max(0, self._size - self._at)))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
