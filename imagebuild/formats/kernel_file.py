"""A kernel as it lies on a disk: a bzImage, an ELF file, or an ELF file compressed with gzip (the old Xen kernels)."""

from __future__ import annotations

import dataclasses

from imagebuild.formats.bzimage import KernelFacts, read_kernel
from imagebuild.formats.compression import compression_of
from imagebuild.formats.unpacking import Unpacked, UnpackError
from imagebuild.limits import UNPACKED_KERNEL


def unwrap(data: bytes) -> KernelFacts | None:
    """The facts of a kernel; None when it is none. Never raises on bad bytes."""
    if compression_of(data) != "gzip":
        return read_kernel(data)
    stream, inside = Unpacked("gzip", data), bytearray()
    complete = True
    try:
        for piece in stream:
            inside += piece
            if len(inside) > UNPACKED_KERNEL.most:
                complete = False
                break
    except UnpackError:
        complete = False
    facts = read_kernel(bytes(inside))
    return dataclasses.replace(facts, compression="gzip", complete=complete) if facts else None
