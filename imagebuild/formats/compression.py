"""What a stream of bytes is compressed with, by its first bytes: one table for kernels, initrds, archives and images.

Sources: RFC 1952 (gzip), the formats' own descriptions (bzip2, xz, lzma, zstd, lzop), the kernel's lib/decompress.c;
lz4's "legacy" frames are what `lz4 -l` writes and the kernel unpacks.
"""

from __future__ import annotations

from typing import Literal

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
