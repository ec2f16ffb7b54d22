"""A disk image as a tar archive of one member, in one pass: GNU format, with a sparse member where the file has holes.

Sources: GNU tar's src/tar.h (struct oldgnu_header, struct sp) and src/sparse.c. A sparse member of the old GNU format
(type S) has four entries of its map in the header, further ones in blocks of 21, and then the data without the holes;
a file that ends in a hole has a last entry of length 0 at its end. Owner, time and mode are fixed, so that the same
bytes and holes give the same archive.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from imagebuild.host.sparse import Extent, read_extent

BLOCK = 512
RECORD = 20 * BLOCK
_IN_HEADER, _IN_EXTENSION = 4, 21
_OCTAL_LIMIT = 8**11


def tar_pieces(
    descriptor: int, name: str, size_bytes: int, extents: Sequence[Extent], piece_bytes: int
) -> Iterator[bytes]:
    """The archive, in pieces of at most `piece_bytes` (or one header). `name` is at most 100 ASCII characters."""
    length = 0
    for piece in _pieces(descriptor, name, size_bytes, extents, piece_bytes):
        length += len(piece)
        yield piece
    yield bytes(2 * BLOCK + -(length + 2 * BLOCK) % RECORD)


def stream_length(size_bytes: int, extents: Sequence[Extent]) -> int:
    """How many bytes `tar_pieces` will give, for a progress display."""
    data = sum(extent.length for extent in extents)
    headers = BLOCK
    if _is_sparse(size_bytes, extents):
        further = max(0, len(_map(size_bytes, extents)) - _IN_HEADER)
        headers += -(-further // _IN_EXTENSION) * BLOCK
    length = headers + -(-data // BLOCK) * BLOCK + 2 * BLOCK
    return -(-length // RECORD) * RECORD


def _pieces(
    descriptor: int, name: str, size_bytes: int, extents: Sequence[Extent], piece_bytes: int
) -> Iterator[bytes]:
    if not _is_sparse(size_bytes, extents):
        yield _header(name, size_bytes, b"0")
    else:
        stored = sum(extent.length for extent in extents)
        entries = _map(size_bytes, extents)
        yield _header(name, stored, b"S", entries[:_IN_HEADER], len(entries) > _IN_HEADER, size_bytes)
        rest = entries[_IN_HEADER:]
        for first in range(0, len(rest), _IN_EXTENSION):
            yield _extension(rest[first : first + _IN_EXTENSION], first + _IN_EXTENSION < len(rest))
    for extent in extents:
        yield from read_extent(descriptor, extent, piece_bytes)
    if padding := -sum(extent.length for extent in extents) % BLOCK:
        yield bytes(padding)


def _is_sparse(size_bytes: int, extents: Sequence[Extent]) -> bool:
    return list(extents) != ([Extent(0, size_bytes)] if size_bytes else [])


def _map(size_bytes: int, extents: Sequence[Extent]) -> list[tuple[int, int]]:
    entries = [(extent.start, extent.length) for extent in extents]
    if not extents or extents[-1].end < size_bytes:
        entries.append((size_bytes, 0))
    return entries


def _header(
    name: str,
    stored_bytes: int,
    kind: bytes,
    entries: Sequence[tuple[int, int]] = (),
    extended: bool = False,
    real_bytes: int | None = None,
) -> bytes:
    header = bytearray(BLOCK)

    def put(offset: int, value: bytes) -> None:
        header[offset : offset + len(value)] = value

    put(0, name.encode("ascii"))
    put(100, b"0000644\0" + b"0000000\0" * 2)  # mode, uid, gid
    put(124, _number(stored_bytes) + _number(0))  # size, mtime
    put(156, kind)
    put(257, b"ustar  \0")
    for index, (offset, length) in enumerate(entries):
        put(386 + 24 * index, _number(offset) + _number(length))
    if real_bytes is not None:
        put(482, b"\1" if extended else b"\0")
        put(483, _number(real_bytes))
    put(148, b" " * 8)
    put(148, b"%06o\0 " % sum(header))
    return bytes(header)


def _extension(entries: Sequence[tuple[int, int]], more: bool) -> bytes:
    numbers = b"".join(_number(offset) + _number(length) for offset, length in entries)
    return numbers.ljust(504, b"\0") + (b"\1" if more else b"\0") + bytes(7)


def _number(value: int) -> bytes:
    """Twelve bytes: octal and a NUL, or from 8 GiB on GNU's base 256 with the first bit set."""
    if value < _OCTAL_LIMIT:
        return b"%011o\0" % value
    return b"\x80" + value.to_bytes(11, "big")
