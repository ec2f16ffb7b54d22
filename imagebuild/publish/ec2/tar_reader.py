"""The way back: the one member of a tar archive, from a stream, into a sparse file.

Reads ustar, GNU (sparse members of the old GNU format too) and PAX archives. Anything but one file is refused.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from imagebuild.formats.foreign import ForeignError, number
from imagebuild.publish.ec2.tar_stream import BLOCK

_SKIPPED_KINDS = b"xgLK"  # PAX headers and GNU long names: nothing in them is needed
_MOST_SKIPPED_BYTES = 1 << 20
_MOST_MAP_ENTRIES = 1 << 20
_HOLE_BYTES = 64 * 1024


class TarError(Exception):
    """The archive is not one that holds one disk image; the text says why."""


@dataclass(frozen=True, slots=True)
class Member:
    """`real_bytes` is the file's size; `sparse` has offset and length of each stretch that the archive holds."""

    name: str
    real_bytes: int
    sparse: tuple[tuple[int, int], ...]


class Stream:
    """Exact reads from an iterator of byte strings."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = memoryview(b"")

    def some(self, most_bytes: int) -> memoryview:
        """At least one byte and at most `most_bytes`; nothing at the end."""
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return self._left
            self._left = memoryview(piece)
        taken, self._left = self._left[:most_bytes], self._left[most_bytes:]
        return taken

    def exactly(self, count: int) -> bytes:
        """Raises TarError when the stream ends before."""
        parts = []
        while count:
            part = self.some(count)
            if not part:
                raise TarError("the archive ends too early")
            parts.append(bytes(part))
            count -= len(part)
        return b"".join(parts)


def extract(pieces: Iterator[bytes], descriptor: int, expected_bytes: int) -> str:
    """Write the one member into the empty file `descriptor` and return its name; reads the stream to its end.

    Raises TarError for any other archive, before anything beyond `expected_bytes` is written.
    """
    stream = Stream(pieces)
    member = _next_member(stream)
    if member is None:
        raise TarError("the archive is empty")
    if member.real_bytes != expected_bytes:
        raise TarError(f"the archive's file has {member.real_bytes} bytes, the manifest says {expected_bytes}")
    for offset, length in member.sparse:
        _copy(stream, descriptor, offset, length)
        stream.exactly(-length % BLOCK)
    os.ftruncate(descriptor, member.real_bytes)
    while rest := stream.some(1 << 20):
        if any(rest):
            raise TarError("the archive holds more than one file")
    return member.name


def _copy(stream: Stream, descriptor: int, offset: int, length: int) -> None:
    """What is all zeros stays a hole."""
    while length:
        piece = stream.some(min(length, _HOLE_BYTES))
        if not piece:
            raise TarError("the archive ends too early")
        if piece != bytes(len(piece)):
            os.pwrite(descriptor, piece, offset)
        offset += len(piece)
        length -= len(piece)


def _next_member(stream: Stream) -> Member | None:
    while True:
        header = stream.exactly(BLOCK)
        if not any(header):
            return None
        if sum(header[:148]) + sum(header[156:]) + 8 * 32 != _number(header[148:156]):
            raise TarError("what was decrypted is no tar archive")
        kind, size = header[156:157], _number(header[124:136])
        if kind in (b"0", b"\0"):
            return Member(_text(header[:100]), size, ((0, size),))
        if kind == b"S":
            return _sparse_member(stream, header, size)
        if kind and kind in _SKIPPED_KINDS and size <= _MOST_SKIPPED_BYTES:
            content = stream.exactly(size + -size % BLOCK)
            if b"GNU.sparse." in content:
                raise TarError("its sparse format is PAX's: make it with tar --format=gnu")
            continue
        raise TarError(f"the archive holds something else than a file (type {kind!r})")


def _sparse_member(stream: Stream, header: bytes, size: int) -> Member:
    entries = _entries(header[386:482])
    more = header[482]
    while more:
        block = stream.exactly(BLOCK)
        entries += _entries(block[:504])
        more = block[504]
        if len(entries) > _MOST_MAP_ENTRIES:
            raise TarError("its sparse map is too long")
    real = _number(header[483:495])
    position = 0
    for offset, length in entries:
        if offset < position or offset + length > real:
            raise TarError("its sparse map is out of order")
        position = offset + length
    if sum(length for _, length in entries) != size:
        raise TarError("its sparse map and its size differ")
    return Member(_text(header[:100]), real, tuple(entries))


def _entries(data: bytes) -> list[tuple[int, int]]:
    pairs = [data[start : start + 24] for start in range(0, len(data), 24)]
    return [(_number(pair[:12]), _number(pair[12:])) for pair in pairs if pair[12]]


def _number(field: bytes) -> int:
    if field[0] & 0x80:
        return int.from_bytes(field, "big") & ((1 << (8 * len(field) - 1)) - 1)
    try:
        return number(field.rstrip(b"\0 ").strip().decode("latin-1") or "0", base=8)
    except ForeignError:
        raise TarError("what was decrypted is no tar archive") from None


def _text(field: bytes) -> str:
    return field.split(b"\0")[0].decode("utf-8", "replace")
