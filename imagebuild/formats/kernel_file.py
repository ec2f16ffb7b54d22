"""A kernel as it lies on a disk: a bzImage, an ELF file, or an ELF file compressed with gzip (the old Xen kernels)."""

from __future__ import annotations

import dataclasses
import zlib

from imagebuild.formats.bzimage import KernelFacts, read_kernel
from imagebuild.formats.compression import compression_of

_MOST_UNPACKED = 256 * 2**20


def unwrap(data: bytes) -> KernelFacts | None:
    """The facts of a kernel; None when it is none. Never raises on bad bytes."""
    if compression_of(data) != "gzip":
        return read_kernel(data)
    decompressor = zlib.decompressobj(wbits=31)
    try:
        inside = decompressor.decompress(data, _MOST_UNPACKED)
    except zlib.error:
        return None
    facts = read_kernel(inside)
    return dataclasses.replace(facts, compression="gzip", complete=decompressor.eof) if facts else None
