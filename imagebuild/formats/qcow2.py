"""qcow2 images: only how to tell one (QEMU, docs/interop/qcow2.txt: the first four bytes)."""

from __future__ import annotations

from typing import Literal

MAGIC = b"QFI\xfb"
DiskFormat = Literal["raw", "qcow2"]


def disk_format(head: bytes) -> DiskFormat:
    """What an image is, by its first bytes: everything that is no qcow2 is raw."""
    return "qcow2" if head.startswith(MAGIC) else "raw"
