"""The members of cpio archives, as a stream: names, and of each content only as much as is asked for.

Source: the kernel's Documentation/driver-api/early-userspace/buffer-format.rst: archives one after the other, zero
bytes up to a four byte boundary between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

MAGIC = (b"070701", b"070702")
_HEADER = 110
_TRAILER = "TRAILER!!!"
_MOST_NAME_BYTES = 4096  # Linux' PATH_MAX; the kernel skips what is longer


class CpioError(ValueError):
    """An archive is damaged; the message says at which byte."""


class Stream:
    """Bytes that come in pieces: looked at, taken or skipped, from the first to the last. `offset` counts them."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._buffer = bytearray()
        self.offset = 0

    def peek(self, size: int) -> bytes:
        """The next `size` bytes, fewer only at the end."""
        while len(self._buffer) < size and (piece := next(self._pieces, None)) is not None:
            self._buffer += piece
        return bytes(self._buffer[:size])

    def skip(self, size: int) -> int:
        """Leave out so many bytes; returns how many there were."""
        left = size
        while True:
            taken = min(left, len(self._buffer))
            del self._buffer[:taken]
            left -= taken
            if not left or not self.peek(1):
                break
        self.offset += size - left
        return size - left

    def skip_zeros(self) -> None:
        """Up to the next byte that is not zero."""
        while self.peek(1):
            others = len(self._buffer.lstrip(b"\0"))
            self.skip(len(self._buffer) - others)
            if others:
                return


@dataclass(frozen=True, slots=True)
class Member:
    """`content` is its beginning, as much as was asked for; `size_bytes` what it has. `end`: the offset behind it.

    `is_end`: it is the mark of an archive's end.
    """

    name: str
    size_bytes: int
    content: bytes
    end: int
    is_end: bool


def members(stream: Stream, wants: Callable[[str], int]) -> Iterator[Member]:
    """Every member of the archives, up to what is none; `wants`: how many bytes of the file of that name.

    Raises CpioError, and what the stream's pieces raise.
    """
    while len(header := stream.peek(_HEADER)) == _HEADER:
        if header[:6] not in MAGIC:
            if header[:4] != b"\0\0\0\0":
                return
            begin = stream.offset
            stream.skip_zeros()
            if (stream.offset - begin) % 4 or stream.peek(6) not in MAGIC:
                return
            continue
        member = _member(stream, header, wants)
        yield member
        if member.is_end:
            stream.skip_zeros()
            if stream.offset % 4 or stream.peek(6) not in MAGIC:
                return


def _member(stream: Stream, header: bytes, wants: Callable[[str], int]) -> Member:
    begin = stream.offset
    try:
        size, name_size = int(header[54:62], 16), int(header[94:102], 16)
    except ValueError as error:
        raise CpioError(f"a cpio header is damaged at byte {begin}") from error
    if name_size > _MOST_NAME_BYTES:
        raise CpioError(f"a file's name has {name_size} bytes at byte {begin}")
    padding = -(begin + _HEADER + name_size) % 4
    before = stream.peek(_HEADER + name_size + padding)
    stream.skip(len(before))
    name = before[_HEADER : _HEADER + name_size - 1].decode("utf-8", "surrogateescape")
    name = name if name == _TRAILER else name.removeprefix("./").lstrip("/")
    content = stream.peek(min(size, wants(name)))
    if len(before) != _HEADER + name_size + padding or stream.skip(size) != size:
        raise CpioError(f"a cpio archive ends within a member at byte {begin}")
    stream.skip(-stream.offset % 4)
    return Member(name, size, content, stream.offset, name == _TRAILER)
