"""Which files an initrd holds: cpio archives one after the other, each plain or compressed.

Source: the kernel's Documentation/driver-api/early-userspace/buffer-format.rst. A plain archive in front (microcode)
is followed by zero bytes up to a four byte boundary, then by the next archive or compressed stream.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from imagebuild.formats.compression import Compression, compression_of
from imagebuild.formats.cpio import MAGIC, CpioError, Member, Stream, members
from imagebuild.formats.root_argument import NOTED
from imagebuild.formats.unpacking import Unpacked, UnpackError, is_known
from imagebuild.limits import INITRD_MEMBERS, INITRD_NAMES, UNPACKED_INITRD

_NOT_ZERO = re.compile(rb"[^\0]")
_PIECE_BYTES = 2**20
# Real ones have two or three (microcode, the system, what a boot loader appends).
_MOST_SEGMENTS = 64
_MOST_NOTED_BYTES = 2**20
_MOST_BUILTIN_BYTES = 4 * 2**20


class InitrdError(ValueError):
    """The bytes are no initrd, or a damaged one; the message says where."""


class InitrdLimitError(InitrdError):
    """It may be a good one, but it holds more than is read (limits.py)."""


@dataclass(frozen=True, slots=True)
class InitrdFacts:
    """`names`: every path, without a leading slash. `compressions`: of each segment, in order.

    `builtin`: the modules that modules.builtin files inside list as built into the kernel. `noted`: the content of the
    files in which a root device may be written down, by name (root_argument.py), and the targets of such links.
    """

    names: frozenset[str]
    compressions: tuple[str, ...]
    builtin: frozenset[str]
    noted: Mapping[str, bytes] = field(default_factory=dict)


def read_initrd(data: bytes) -> InitrdFacts:
    """The facts of an initrd. Raises InitrdError when it cannot be read to its end."""
    names: set[str] = set()
    builtin: set[str] = set()
    compressions: list[str] = []
    noted: dict[str, bytes] = {}
    names_bytes = 0
    for segment, compression in _segments(data):
        compressions.append(compression)
        for member in segment:
            name = "" if member.is_end else member.name
            names_bytes += len(name)
            if len(names) > INITRD_MEMBERS.most or names_bytes > INITRD_NAMES.most:
                exceeded = INITRD_MEMBERS if len(names) > INITRD_MEMBERS.most else INITRD_NAMES
                raise InitrdLimitError(f"it holds more than that: {exceeded.exceeded}")
            names.add(name)
            if member.size_bytes <= _MOST_NOTED_BYTES and NOTED.fullmatch(name):
                noted[name] = member.content
            if name.endswith("/modules.builtin"):
                builtin |= {_module(line) for line in member.content.decode("utf-8", "replace").split()}
    if not names:
        raise InitrdError("it contains no cpio archive")
    return InitrdFacts(frozenset(names), tuple(compressions), frozenset(builtin), noted)


def behind_gzip(data: bytes) -> int:
    """How many bytes follow the first gzip member of an initrd that begins with one; 0 for all others.

    GRUB 0.97 unpacks a gzip initrd itself and takes its length from the file's last four bytes (stage2/gunzip.c): a
    second member cuts the first, padding makes the initrd empty (both seen in its shell). The kernel minds neither.
    """
    if compression_of(data) != "gzip":
        return 0
    stream, unpacked = Unpacked("gzip", data), 0
    try:
        for piece in stream:
            unpacked += len(piece)
            if unpacked > UNPACKED_INITRD.most:
                return 0
    except UnpackError:
        return 0
    return len(data) - stream.end


def holds_module(facts: InitrdFacts, name: str) -> bool:
    """Whether the initrd can load the module (`-` and `_` are the same), or the kernel has it built in."""
    wanted = name.replace("-", "_")
    return wanted in facts.builtin or wanted in {_module(path) for path in facts.names if ".ko" in path}


def holds_lvm(facts: InitrdFacts) -> bool:
    """Whether the LVM tools are inside."""
    return any(path.rsplit("/", 1)[-1] in ("lvm", "lvm.static") for path in facts.names if "bin/" in path)


def _module(path: str) -> str:
    return path.rsplit("/", 1)[-1].split(".ko")[0].replace("-", "_")


def _segments(data: bytes) -> Iterator[tuple[Iterator[Member], str]]:
    """The members of each segment, which must be taken before the next one is asked for, and its compression."""
    start = count = unpacked = 0
    while (found := _NOT_ZERO.search(data, start)) is not None:
        start = found.start()
        count += 1
        if count > _MOST_SEGMENTS:
            raise InitrdError(f"it is made of more than {_MOST_SEGMENTS} archives")
        if data[start : start + 6] in MAGIC:
            plain = _Plain(data, start)
            yield iter(plain), "none"
            if plain.end == start:
                raise InitrdError(f"byte {start}: a cpio archive ends within its first header")
            start = plain.end
            continue
        compression = compression_of(data[start : start + 8])
        if compression is None or not is_known(compression):
            raise InitrdError(f"byte {start}: neither a cpio archive nor a known compression")
        packed = _Packed(compression, data, start, unpacked)
        yield iter(packed), packed.name
        start, unpacked = packed.end, packed.unpacked_bytes


class _Plain:
    """A segment that is not compressed. `end`: the offset behind its last archive."""

    def __init__(self, data: bytes, start: int) -> None:
        self._data = memoryview(data)[start:]
        self._start = self.end = start

    def __iter__(self) -> Iterator[Member]:
        pieces = (bytes(self._data[at : at + _PIECE_BYTES]) for at in range(0, len(self._data), _PIECE_BYTES))
        try:
            for member in members(Stream(pieces), _wanted_bytes):
                self.end = min(self._start + member.end, self._start + len(self._data))
                yield member
        except CpioError as error:
            raise InitrdError(str(error)) from error


class _Packed:
    """A compressed one. `end`: the offset behind it in the initrd; `unpacked_bytes`: with those before it."""

    def __init__(self, compression: Compression, data: bytes, start: int, unpacked_bytes: int) -> None:
        self.name = compression.removesuffix("-legacy")
        self._stream = Unpacked(compression, data, start)
        self._start = start
        self.unpacked_bytes = unpacked_bytes

    @property
    def end(self) -> int:
        return self._stream.end

    def __iter__(self) -> Iterator[Member]:
        pieces = self._counted()
        try:
            yield from members(Stream(pieces), _wanted_bytes)
            for _piece in pieces:  # what follows the last archive is nobody's, but the stream's end is not known yet
                pass
        except UnpackError as error:
            raise InitrdError(f"byte {self._start}: damaged {self.name} data: {error}") from error
        except CpioError as error:
            raise InitrdError(str(error)) from error

    def _counted(self) -> Iterator[bytes]:
        for piece in self._stream:
            self.unpacked_bytes += len(piece)
            if self.unpacked_bytes > UNPACKED_INITRD.most:
                raise InitrdLimitError(f"it unpacks to more than that: {UNPACKED_INITRD.exceeded}")
            yield piece


def _wanted_bytes(name: str) -> int:
    if NOTED.fullmatch(name):
        return _MOST_NOTED_BYTES + 1
    return _MOST_BUILTIN_BYTES if name.endswith("/modules.builtin") else 0
