"""What kind of kernel a file is, from the Linux boot protocol's setup header.

Source: the kernel's Documentation/arch/x86/boot.rst (offsets, protocol versions); arch/x86/boot/header.S.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Literal

from imagebuild.formats.compression import beginning, compression_of
from imagebuild.formats.xen_notes import guest_os

Payload = Literal["gzip", "bzip2", "xz", "lzma", "lzo", "lz4", "zstd", "none", "unknown"]
_XLF_KERNEL_64 = 1
_EM_386, _EM_X86_64 = 3, 62


@dataclass(frozen=True, slots=True)
class KernelFacts:
    """`protocol` is (major, minor) of the boot protocol, (0, 0) for a bare ELF file. `release` may be empty.

    `complete` is False when the file ends before the payload that its header promises. `guest_os`: what an ELF file's
    Xen note says it is (`linux`, `GRUB`), in lower case; empty where there is none.
    """

    format: Literal["bzImage", "ELF"]
    protocol: tuple[int, int]
    architecture: Literal["x86_64", "i386"]
    compression: Payload
    release: str
    complete: bool
    guest_os: str = ""

    @property
    def is_linux(self) -> bool:
        """Whether it wants what Linux wants: root=, an initrd, a console."""
        return self.guest_os in ("", "linux")


def read_kernel(data: bytes) -> KernelFacts | None:
    """The facts of a kernel; None when `data` is no Linux kernel for x86. Never raises on bad bytes."""
    if data[:4] == b"\x7fELF":
        return _elf(data)
    if len(data) < 0x264 or data[0x202:0x206] != b"HdrS":
        return None
    minor, major = data[0x206], data[0x207]
    setup_sectors = data[0x1F1] or 4
    offset, length = struct.unpack_from("<II", data, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    payload = data[start : start + 16]
    flags = struct.unpack_from("<H", data, 0x236)[0]
    has_payload = (major, minor) >= (2, 8) and length > 0
    architecture = _elf_architecture(beginning(data[start : start + length], 64)) if has_payload else None
    if architecture is None:
        # xloadflags came with protocol 2.12 (Linux 3.8); before it, a 64-bit kernel shows only in its payload.
        wide = bool(flags & _XLF_KERNEL_64) if (major, minor) >= (2, 12) else "x86_64" in _release(data)
        architecture = "x86_64" if wide else "i386"
    return KernelFacts(
        format="bzImage",
        protocol=(major, minor),
        architecture=architecture,
        compression=payload_compression(payload) if has_payload else "unknown",
        release=_release(data),
        complete=has_payload and start + length <= len(data),
    )


def _elf_architecture(start: bytes) -> Literal["x86_64", "i386"] | None:
    """Of the kernel proper, an ELF file since boot protocol 2.08; None: it is none, or it cannot be unpacked."""
    if start[:4] != b"\x7fELF" or len(start) < 20:
        return None
    machine = struct.unpack_from("<H", start, 18)[0]
    return "x86_64" if machine == _EM_X86_64 else "i386" if machine == _EM_386 else None


def payload_compression(payload: bytes) -> Payload:
    """By the payload's first bytes. The kernel's lz4 is the legacy one."""
    if payload.startswith(b"\x7fELF"):
        return "none"
    match compression_of(payload):
        case "lz4-legacy":
            return "lz4"
        case None | "lz4":
            return "unknown"
        case known:
            return known


def _release(data: bytes) -> str:
    pointer = struct.unpack_from("<H", data, 0x20E)[0]
    if not pointer:
        return ""
    text = data[0x200 + pointer : 0x200 + pointer + 256].split(b"\0")[0].decode("ascii", "replace")
    match = re.match(r"\S+", text)
    return match[0] if match else ""


def _elf(data: bytes) -> KernelFacts | None:
    if len(data) < 64:
        return None
    architecture = _elf_architecture(data[:64])
    if architecture is None:
        return None
    found = re.search(rb"Linux version (\S+)", data)
    return KernelFacts(
        format="ELF",
        protocol=(0, 0),
        architecture=architecture,
        compression="none",
        release=found[1].decode("ascii", "replace") if found else "",
        complete=True,
        guest_os=guest_os(data).lower(),
    )
