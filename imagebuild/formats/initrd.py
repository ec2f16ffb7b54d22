"""Which files an initrd holds: cpio archives one after the other, each plain or compressed.

Source: the kernel's Documentation/driver-api/early-userspace/buffer-format.rst. A plain archive in front (microcode)
is followed by zero bytes up to a four byte boundary, then by the next archive or compressed stream.
"""

from __future__ import annotations

import bz2
import lzma
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import lz4.block
import zstandard

from imagebuild.formats.compression import DAMAGED, Compression, compression_of
from imagebuild.formats.foreign import ForeignError, number
from imagebuild.formats.root_argument import NOTED

_MAGIC = (b"070701", b"070702")
_HEADER = 110
_NOT_ZERO = re.compile(rb"[^\0]")
# A hostile initrd may claim to unpack to anything; the largest real ones (firmware included) stay below this.
_MOST_UNPACKED = 2 * 2**30
# Real ones have two or three (microcode, the system, what a boot loader appends).
_MOST_SEGMENTS = 64
_LZ4_LEGACY_BLOCK = 8 * 2**20
_ZSTD_BITE = 4096
_GZIP_BITE = 16 * 2**20
_MOST_NOTED_BYTES = 2**20


class InitrdError(ValueError):
    """The bytes are no initrd, or a damaged one; the message says where."""


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
    for segment, compression in _segments(data):
        compressions.append(compression)
        for name, content in _members(segment):
            names.add(name)
            if len(content) <= _MOST_NOTED_BYTES and NOTED.fullmatch(name):
                noted[name] = content
            if name.endswith("/modules.builtin"):
                builtin |= {_module(line) for line in content.decode("utf-8", "replace").split()}
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
    decompressor = zlib.decompressobj(wbits=31)
    pending = data
    while pending and not decompressor.eof:
        try:
            decompressor.decompress(pending, _GZIP_BITE)
        except zlib.error:
            return 0
        pending = decompressor.unconsumed_tail
    return len(decompressor.unused_data)


def holds_module(facts: InitrdFacts, name: str) -> bool:
    """Whether the initrd can load the module (`-` and `_` are the same), or the kernel has it built in."""
    wanted = name.replace("-", "_")
    return wanted in facts.builtin or wanted in {_module(path) for path in facts.names if ".ko" in path}


def holds_lvm(facts: InitrdFacts) -> bool:
    """Whether the LVM tools are inside."""
    return any(path.rsplit("/", 1)[-1] in ("lvm", "lvm.static") for path in facts.names if "bin/" in path)


def _module(path: str) -> str:
    return path.rsplit("/", 1)[-1].split(".ko")[0].replace("-", "_")


def _segments(data: bytes) -> Iterator[tuple[bytes, str]]:
    rest = data
    count = 0
    while rest := rest.lstrip(b"\0"):
        count += 1
        if count > _MOST_SEGMENTS:
            raise InitrdError(f"it is made of more than {_MOST_SEGMENTS} archives")
        if rest[:6] in _MAGIC:
            end = _archive_end(rest)
            if end == 0:
                raise InitrdError(f"byte {len(data) - len(rest)}: a cpio archive ends within its first header")
            yield rest[:end], "none"
            rest = rest[end:]
            continue
        compression = compression_of(rest)
        if compression is None or compression not in _UNPACKERS:
            raise InitrdError(f"byte {len(data) - len(rest)}: neither a cpio archive nor a known compression")
        name = compression.removesuffix("-legacy")
        try:
            content, rest = _UNPACKERS[compression](rest)
        except DAMAGED as error:
            raise InitrdError(f"byte {len(data) - len(rest)}: damaged {name} data: {error}") from error
        yield content, name


def _archive_end(data: bytes) -> int:
    end = 0
    for _name, _content, end in _walk(data):  # noqa: B007 (the last one counts)
        pass
    return end


def _members(data: bytes) -> Iterator[tuple[str, bytes]]:
    for name, content, _end in _walk(data):
        yield name, content


def _walk(data: bytes) -> Iterator[tuple[str, bytes, int]]:
    """Every member of the archives in `data`, with the offset behind it."""
    offset = 0
    while offset + _HEADER <= len(data):
        if data[offset : offset + 6] not in _MAGIC:
            if data[offset : offset + 4] == b"\0\0\0\0":
                offset += 4
                continue
            return
        try:
            size = number(data[offset + 54 : offset + 62].decode("latin-1"), base=16)
            name_size = number(data[offset + 94 : offset + 102].decode("latin-1"), base=16)
        except ForeignError as error:
            raise InitrdError(f"a cpio header is damaged at byte {offset}") from error
        name_end = offset + _HEADER + name_size
        start = (name_end + 3) & ~3
        end = (start + size + 3) & ~3
        if start + size > len(data):
            raise InitrdError(f"a cpio archive ends within a member at byte {offset}")
        name = data[offset + _HEADER : name_end - 1].decode("utf-8", "surrogateescape")
        if name == "TRAILER!!!":
            yield "", b"", min(end, len(data))
            following = _NOT_ZERO.search(data, end)
            if following is None or data[following.start() : following.start() + 6] not in _MAGIC:
                return
        else:
            yield name.removeprefix("./").lstrip("/"), data[start : start + size], end
        offset = end


def _stream(make: Callable[[], Any]) -> Callable[[bytes], tuple[bytes, bytes]]:
    def unpack(data: bytes) -> tuple[bytes, bytes]:
        decompressor = make()
        content = decompressor.decompress(data, _MOST_UNPACKED)
        if not decompressor.eof:
            raise EOFError("it ends early, or unpacks to more than 2 GiB")
        return content, decompressor.unused_data

    return unpack


def _zstd(data: bytes) -> tuple[bytes, bytes]:
    decompressor = zstandard.ZstdDecompressor().decompressobj()
    content: list[bytes] = []
    size = 0
    # zstandard has no limit for its output: small bites, so that no bomb goes off before it is counted.
    for start in range(0, len(data), _ZSTD_BITE):
        bite = decompressor.decompress(data[start : start + _ZSTD_BITE])
        content.append(bite)
        size += len(bite)
        if decompressor.eof:
            return b"".join(content), decompressor.unused_data + data[start + _ZSTD_BITE :]
        if size > _MOST_UNPACKED:
            break
    raise EOFError("it ends early, or unpacks to more than 2 GiB")


def _lz4_legacy(data: bytes) -> tuple[bytes, bytes]:
    """The kernel's own lz4 (`lz4 -l`): a magic, then blocks of at most 8 MiB, each after its length."""
    offset = 4
    blocks = []
    while offset + 4 <= len(data):
        length = int.from_bytes(data[offset : offset + 4], "little")
        if length == 0 or offset + 4 + length > len(data):
            break
        block = data[offset + 4 : offset + 4 + length]
        blocks.append(lz4.block.decompress(block, uncompressed_size=_LZ4_LEGACY_BLOCK))
        offset += 4 + length
    if not blocks:
        raise EOFError("it contains no block")
    return b"".join(blocks), data[offset:]


_UNPACKERS: dict[Compression, Callable[[bytes], tuple[bytes, bytes]]] = {
    "gzip": _stream(lambda: zlib.decompressobj(wbits=31)),
    "bzip2": _stream(bz2.BZ2Decompressor),
    "xz": _stream(lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ)),
    "lzma": _stream(lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE)),
    "zstd": _zstd,
    "lz4-legacy": _lz4_legacy,
}
