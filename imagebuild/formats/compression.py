"""What a stream of bytes is compressed with, by its first bytes: one table for kernels, initrds, archives and images.

Sources: RFC 1952 (gzip), the formats' own descriptions (bzip2, xz, lzma, zstd, lzop), the kernel's lib/decompress.c;
lz4's "legacy" frames are what `lz4 -l` writes and the kernel unpacks.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from typing import Literal

import lz4.block
import zstandard

Compression = Literal["gzip", "bzip2", "xz", "lzma", "lzo", "lz4", "lz4-legacy", "zstd"]
_MAGIC: tuple[tuple[bytes, Compression], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x5d\x00\x00", "lzma"),
    (b"\x89LZO", "lzo"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\x02\x21\x4c\x18", "lz4-legacy"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)


def compression_of(start: bytes) -> Compression | None:
    """By the first six bytes or more; None where it is none that is known."""
    return next((name for magic, name in _MAGIC if start.startswith(magic)), None)


DAMAGED = (
    zlib.error, lzma.LZMAError, zstandard.ZstdError, lz4.block.LZ4BlockError, OSError, ValueError, EOFError,
    RuntimeError, OverflowError,
)  # fmt: skip
"""What the libraries say of damaged data: bz2 OSError and ValueError, lz4.frame RuntimeError, all of them EOFError."""
_MOST_WINDOW_BYTES = 128 * 2**20
_LZ4_BLOCK_BYTES = 8 * 2**20  # of a legacy frame


def beginning(data: bytes, most_bytes: int) -> bytes:
    """The first bytes of what `data` unpacks to: at most so many, none where it cannot be unpacked. Never raises.

    Data that is compressed in no known way is its own content; lzo and lz4's newer frames are not read.
    """
    try:
        return _beginning(data, most_bytes)[:most_bytes]
    except DAMAGED:
        return b""


def _beginning(data: bytes, most_bytes: int) -> bytes:
    match compression_of(data):
        case "gzip":
            return zlib.decompressobj(wbits=31).decompress(data, most_bytes)
        case "bzip2":
            return bz2.BZ2Decompressor().decompress(data, most_bytes)
        case "xz":
            return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MOST_WINDOW_BYTES).decompress(data, most_bytes)
        case "lzma":
            return lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=_MOST_WINDOW_BYTES).decompress(data, most_bytes)
        case "zstd":
            decompressor = zstandard.ZstdDecompressor(max_window_size=_MOST_WINDOW_BYTES)
            return decompressor.stream_reader(data).read(most_bytes)
        case "lz4-legacy":
            length = int.from_bytes(data[4:8], "little")
            return bytes(lz4.block.decompress(data[8 : 8 + length], uncompressed_size=_LZ4_BLOCK_BYTES))
        case "lzo" | "lz4":
            return b""
        case None:
            return data[:most_bytes]
