"""Unpacks one compressed stream in small pieces, so that no bomb goes off before it is counted."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

import lz4.block
import zstandard

from imagebuild.formats.compression import Compression
from imagebuild.limits import DECOMPRESSOR

_PIECE_BYTES = 2**20
_BITE_BYTES = 64 * 2**10
# zstd has no limit for its output: a block of four bytes may become 128 KiB (RFC 8878, 3.1.1.2).
_ZSTD_BITE_BYTES = 256
_LZ4_LEGACY_BLOCK_BYTES = 8 * 2**20
# `lz4 -l` fills each block but the last; every block costs the time to set 8 MiB aside.
_MOST_LZ4_BLOCKS = 4096


class UnpackError(ValueError):
    """The stream is damaged, cut, or wants more memory than it may have."""


class Unpacked:
    """The content of the stream that begins at `start` of `data`, in pieces of at most some megabytes.

    `end`: the offset behind the stream, once all pieces were taken. Iterating raises UnpackError.
    """

    def __init__(self, compression: Compression, data: bytes, start: int = 0) -> None:
        self._pieces = _UNPACKERS[compression](self, memoryview(data)[start:])
        self._start = start
        self.end = start

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._pieces
        except (zlib.error, lzma.LZMAError, zstandard.ZstdError, OSError, EOFError, RuntimeError, MemoryError) as error:
            raise UnpackError(str(error) or "it wants too much memory") from error
        except ValueError as error:
            raise UnpackError(str(error)) from error

    def ended(self, consumed_bytes: int) -> None:
        self.end = self._start + consumed_bytes


def is_known(compression: Compression | None) -> bool:
    return compression in _UNPACKERS


class Decompressor(Protocol):
    """What the standard library's decompressors with a limit of their output have in common (bz2, lzma)."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


def _bounded(make: Callable[[], Decompressor]) -> Callable[[Unpacked, memoryview], Iterator[bytes]]:
    def unpack(stream: Unpacked, data: memoryview) -> Iterator[bytes]:
        decompressor, given = make(), 0
        while not decompressor.eof:
            bite = b""
            if decompressor.needs_input:
                bite = bytes(data[given : given + _BITE_BYTES])
                if not bite:
                    raise EOFError("it ends early")
                given += len(bite)
            yield decompressor.decompress(bite, _PIECE_BYTES)
        stream.ended(given - len(decompressor.unused_data))

    return unpack


def _gzip(stream: Unpacked, data: memoryview) -> Iterator[bytes]:
    decompressor, given = zlib.decompressobj(wbits=31), 0
    while not decompressor.eof:
        bite = decompressor.unconsumed_tail
        if not bite:
            bite = bytes(data[given : given + _BITE_BYTES])
            given += len(bite)
            if not bite:
                raise EOFError("it ends early")
        yield decompressor.decompress(bite, _PIECE_BYTES)
    stream.ended(given - len(decompressor.unused_data))


def _zstd(stream: Unpacked, data: memoryview) -> Iterator[bytes]:
    decompressor = zstandard.ZstdDecompressor(max_window_size=DECOMPRESSOR.most).decompressobj()
    given = 0
    while not decompressor.eof:
        bite = bytes(data[given : given + _ZSTD_BITE_BYTES])
        if not bite:
            raise EOFError("it ends early")
        given += len(bite)
        if piece := decompressor.decompress(bite):
            yield piece
    stream.ended(given - len(decompressor.unused_data))


def _lz4_legacy(stream: Unpacked, data: memoryview) -> Iterator[bytes]:
    """The kernel's own lz4 (`lz4 -l`): a magic, then blocks of at most 8 MiB, each after its length."""
    offset = 4
    blocks = 0
    while offset + 4 <= len(data):
        length = int.from_bytes(data[offset : offset + 4], "little")
        if length == 0 or offset + 4 + length > len(data):
            break
        blocks += 1
        if blocks > _MOST_LZ4_BLOCKS:
            raise EOFError(f"it has more than {_MOST_LZ4_BLOCKS} blocks")
        block = bytes(data[offset + 4 : offset + 4 + length])
        yield lz4.block.decompress(block, uncompressed_size=_LZ4_LEGACY_BLOCK_BYTES)
        offset += 4 + length
    if not blocks:
        raise EOFError("it holds no block")
    stream.ended(offset)


_UNPACKERS: Mapping[Compression, Callable[[Unpacked, memoryview], Iterator[bytes]]] = {
    "gzip": _gzip,
    "bzip2": _bounded(bz2.BZ2Decompressor),
    "xz": _bounded(lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=DECOMPRESSOR.most)),
    "lzma": _bounded(lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=DECOMPRESSOR.most)),
    "zstd": _zstd,
    "lz4-legacy": _lz4_legacy,
}
