"""Reads a tar archive once, from its first byte to its last, whatever it is compressed with.

Python's tarfile knows the formats, but believes every number: one header can make it read for ever or hold gigabytes.
So each header is checked before it is acted on, and a file that ends early is an error, never the archive's end.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from tarfile import HeaderError
from typing import IO, Any, BinaryIO, Literal, cast

import zstandard

from imagebuild.errors import BuildError
from imagebuild.formats.compression import compression_of
from imagebuild.formats.foreign import ForeignError, whole
from imagebuild.formats.text import escaped
from imagebuild.limits import ATTRIBUTES, ATTRIBUTES_OF_FILE, DECOMPRESSOR, ENVIRONMENT_VARIABLE
from imagebuild.recipe.named_file import open_named

Packing = Literal["none", "gzip", "bzip2", "xz", "lzma", "zstd"]
# GNU tar runs these itself; the Debian package of each.
PROGRAMS: dict[Packing, tuple[str, str]] = {
    "gzip": ("gzip", "gzip"), "bzip2": ("bzip2", "bzip2"), "xz": ("xz", "xz-utils"), "lzma": ("xz", "xz-utils"),
    "zstd": ("zstd", "zstd"),
}  # fmt: skip
# EC2's volumes and an MBR end at 2 TiB; the largest file of the newest ext is 16 TiB.
MOST_CONTENT_BYTES = 2 * 2**40
_MOST_FILE_BYTES = 16 * 2**40
_IN_MEMORY = (
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
)  # fmt: skip
_MOST_TIME = 2**40  # seconds since 1970: year 36,812; more than any filesystem holds
_MOST_ID = 2**32 - 2  # uid_t and gid_t; the last one says "leave it as it is" (chown(2))
_PLAIN_HEADERS = ("path", "linkpath", "size", "uid", "gid", "uname", "gname", "mtime", "atime", "ctime")
_MOST_PADDING_BYTES = 64 * 2**20
MOST_MEMBERS = 5_000_000


class _DamagedError(Exception):
    """The archive cannot be believed; deliberately none of tarfile's own exceptions, some of which it swallows."""


def packing_of(start: bytes) -> Packing:
    """By the first bytes of a file; what tar does not unpack counts as plain."""
    match compression_of(start):
        case None | "lzo" | "lz4" | "lz4-legacy":
            return "none"
        case known:
            return known


def unpacked(file: BinaryIO) -> IO[bytes]:
    """The decompressed content of a file opened at its start, all streams and frames of it."""
    compression = packing_of(file.read(8))
    file.seek(0)
    match compression:
        case "gzip":
            return cast(IO[bytes], gzip.GzipFile(fileobj=file, mode="rb"))
        case "bzip2":
            return bz2.BZ2File(file, "rb")
        case "xz" | "lzma":
            return io.BufferedReader(_XzStream(file))
        case "zstd":
            decompressor = zstandard.ZstdDecompressor(max_window_size=DECOMPRESSOR.most)
            return cast(IO[bytes], decompressor.stream_reader(file, read_across_frames=True))
        case "none":
            return file


class _XzStream(io.RawIOBase):
    """What lzma.LZMAFile does, in a limited memory: a stream may ask for 4 GiB."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._streams = 0
        self._decompressor: lzma.LZMADecompressor | None = None
        self._pending = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # any writable buffer
        while True:
            if self._decompressor is None or self._decompressor.eof:
                self._pending = self._next_stream()
                if not self._pending and self._streams:
                    return 0
                self._decompressor = lzma.LZMADecompressor(memlimit=DECOMPRESSOR.most)
                self._streams += 1
            elif self._decompressor.needs_input:
                self._pending = self._more()
                if not self._pending:
                    raise EOFError("Compressed file ended before the end-of-stream marker was reached")
            given, self._pending = self._pending, b""
            try:
                content = self._decompressor.decompress(given, len(buffer))
            except lzma.LZMAError:
                if self._streams > 1:
                    return 0  # what follows the last stream is none, as xz has it
                raise
            if content:
                buffer[: len(content)] = content
                return len(content)

    def _next_stream(self) -> bytes:
        """Its first bytes; between two streams there may be zeros."""
        found = (self._decompressor.unused_data if self._decompressor else b"") or self._more()
        while self._streams and found and not (found := found.lstrip(b"\0")):
            found = self._more()
        return found

    def _more(self) -> bytes:
        return self._file.read(io.DEFAULT_BUFFER_SIZE)


class _Header(tarfile.TarInfo):
    """A member's header that is refused rather than believed."""

    @classmethod
    def fromtarfile(cls, tarfile: tarfile.TarFile) -> _Header:  # tarfile's own name for the argument
        try:
            return super().fromtarfile(tarfile)
        except HeaderError as error:
            if type(error).__name__ == "EOFHeaderError":
                raise  # a block of zeros: the archive's end
            if type(error).__name__ == "EmptyHeaderError":
                raise _DamagedError("it has no end mark: a part is missing") from error
            raise _DamagedError(str(error)) from error
        except (ValueError, OverflowError) as error:  # a number of a sparse file's map, of a pax header
            raise _DamagedError(str(error)) from error

    def _proc_member(self, tarfile: tarfile.TarFile) -> _Header:
        """Called for each header before what is behind it is read ("The entry point is _proc_member()", tarfile.py).

        Not `frombuf`, although that is public: Python 3.13.5 reads headers without it.
        """
        # What is held in memory: long names, extended attributes (Linux: 64 KiB for each attribute).
        held = self.type in _IN_MEMORY
        if not 0 <= self.size <= (ATTRIBUTES_OF_FILE.most if held else _MOST_FILE_BYTES):
            limit = f": {ATTRIBUTES_OF_FILE.exceeded}" if held else ""
            raise _DamagedError(f"{escaped(self.name)} claims to have {self.size} bytes{limit}")
        member: _Header = super()._proc_member(tarfile)  # type: ignore[misc]
        _check_numbers(member)
        return member


def _check_numbers(member: tarfile.TarInfo) -> None:
    """A pax header may write any number, with a point too, and tarfile takes nan and inf for times (pax_headers)."""
    for what, value, most in (
        ("a modification time", abs(member.mtime), _MOST_TIME),
        ("an owner", member.uid, _MOST_ID),
        ("a group", member.gid, _MOST_ID),
    ):
        try:
            whole(value, most=most)
        except ForeignError as error:
            raise _DamagedError(f"{escaped(member.name)} has {what} that cannot be: {error}") from None


class _Source:
    """A file whose end is said once; who goes on asking is in a loop."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._ended = False

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        if not data:
            if self._ended:
                raise _DamagedError("unexpected end of data")
            self._ended = True
        return data

    def seek(self, offset: int) -> int:
        return self._file.seek(offset)

    def tell(self) -> int:
        return self._file.tell()


class Members:
    """The members in order. A member's content must be read before the next member is asked for."""

    def __init__(self, archive: tarfile.TarFile, rest: IO[bytes] | None) -> None:
        """`rest`: the decompressed stream, whose own end (with its checksum) is behind the archive's."""
        self._archive = archive
        self._rest = rest

    def __iter__(self) -> Iterator[tarfile.TarInfo]:
        total = 0
        count = 0
        attributes = 0
        while (member := self._next()) is not None:
            count += 1
            total += content_bytes(member)
            if not 0 <= member.size <= _MOST_FILE_BYTES:
                raise _DamagedError(f"{escaped(member.name)} claims to have {member.size} bytes")
            attributes += sum(len(value) for key, value in member.pax_headers.items() if key not in _PLAIN_HEADERS)
            if attributes > ATTRIBUTES.most:
                raise _DamagedError(f"more than that by {escaped(member.name)}: {ATTRIBUTES.exceeded}")
            if total > MOST_CONTENT_BYTES or count > MOST_MEMBERS:
                raise _DamagedError(
                    f"it claims to hold {total} bytes in {count} members by {escaped(member.name)}; "
                    f"{MOST_CONTENT_BYTES} bytes and {MOST_MEMBERS} members are the most"
                )
            yield member
        if self._rest is not None and len(self._rest.read(_MOST_PADDING_BYTES)) == _MOST_PADDING_BYTES:
            raise _DamagedError("it continues after its end")

    def _next(self) -> tarfile.TarInfo | None:
        member = self._archive.next()
        vars(self._archive)["members"].clear()  # tarfile keeps them all; we go forward only
        return member

    def open(self, member: tarfile.TarInfo) -> IO[bytes]:
        """The content of a regular file, as a stream."""
        file = self._archive.extractfile(member)
        assert file is not None
        return file

    def content(self, member: tarfile.TarInfo, most_bytes: int) -> bytes:
        """The content of a regular file. Raises BuildError when it is larger than `most_bytes`."""
        if member.size > most_bytes:
            raise BuildError(
                f"/{escaped(clean_name(member.name))} of the tree has {member.size} bytes; "
                f"at most {most_bytes} are read",
                resolution=f"is it whole? {ENVIRONMENT_VARIABLE}=4 makes imagebuild's limits four times as high",
            )
        return self.open(member).read()


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Members]:
    """The archive as a stream. Raises BuildError for what is no tar archive, or a damaged one."""
    try:
        file = open_named(path)
    except OSError as error:
        raise _unreadable(path.name, str(error.strerror)) from error
    with file, reading(file, path.name) as members:
        yield members


@contextlib.contextmanager
def reading(file: BinaryIO, name: str) -> Iterator[Members]:
    """As `opened`, for a file that is open; `name` is for messages."""
    try:
        content = unpacked(file)
        source: Any = _Source(content)
        mode: Literal["r|", "r:"] = "r:" if content is file else "r|"  # a plain file's content need not be read through
        with tarfile.open(
            fileobj=source, mode=mode, tarinfo=_Header, encoding="utf-8", errors="surrogateescape"
        ) as archive:
            yield Members(archive, None if content is file else content)
    except (
        tarfile.TarError, zstandard.ZstdError, zlib.error, lzma.LZMAError, EOFError, gzip.BadGzipFile,
        _DamagedError,
    ) as error:  # fmt: skip
        raise _unreadable(name, str(error)) from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise _unreadable(name, str(error)) from error  # bz2's word for damaged data


def _unreadable(name: str, why: str) -> BuildError:
    return BuildError(
        f"{escaped(name)} is not a tar archive that can be read to its end",
        details=why,
        resolution="give a .tar file, plain or compressed with gzip, bzip2, xz, lzma or zstd",
    )


def content_bytes(member: tarfile.TarInfo) -> int:
    """The bytes that a member brings along: without the holes of a sparse file."""
    if not member.isreg():
        return 0
    segments = cast(list[tuple[int, int]] | None, member.sparse)
    return int(member.size) if segments is None else sum(size for _offset, size in segments)


def clean_name(name: str) -> str:
    """A member's path as it will lie in the tree: no leading slash or `./`, no trailing slash."""
    return "/".join(part for part in name.split("/") if part not in ("", "."))
