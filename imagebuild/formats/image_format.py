"""What kind of file an image is, by its first and last bytes, and whether it is only a part of one.

Sources: QEMU's docs/interop (qcow2.txt, qed_spec.txt, parallels.txt, vhdx and vdi in block/*.c); Microsoft's "Virtual
Hard Disk Image Format Specification" (footer `conectix`: types 2 fixed, 3 dynamic, 4 differencing); VMware's "Virtual
Disk Format 5.0" (KDMV; descriptor with parentFileNameHint); VirtualBox' VDICore.h (image types).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal

from imagebuild.formats.compression import compression_of

FRONT_BYTES, BACK_BYTES = 128 * 1024, 512
Packing = Literal["gzip", "xz", "zstd", "bzip2", "lz4", "lzma"]
# What is known and cannot be read here: magic, where it is, what it is, what would help.
_STRANGERS: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"PK\x03\x04", "a zip archive", "unpack it"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it"),
    (0, b"Rar!\x1a\x07", "a RAR archive", "unpack it"),
    (257, b"ustar", "a tar archive", "unpack it; an .ova holds a .vmdk"),
    (0, b"hsqs", "a SquashFS filesystem", "a PV-GRUB cannot read one"),
    (0, b"LUKS\xba\xbe", "a LUKS volume", "a PV-GRUB cannot read one"),
    (0, b"WithoutFreeSpace", "a Parallels image", "convert it: qemu-img convert -O raw IMAGE image.raw"),
    (0, b"WithouFreSpacExt", "a Parallels image", "convert it: qemu-img convert -O raw IMAGE image.raw"),
    (0, b"OOOM", "a User Mode Linux COW file", "merge it into its base image"),
)
_QCOW, _VMDK, _VMDK_ESX, _VHD, _VHDX, _QED = b"QFI\xfb", b"KDMV", b"COWD", b"conectix", b"vhdxfile", b"QED\0"
_VDI = 0xBEDA107F
_VMDK_TEXT = b"# Disk DescriptorFile"
_FIXED, _DIFFERENCING = 2, 4
_ELSEWHERE = "only a part of an image: it names another file"


@dataclass(frozen=True, slots=True)
class ImageFormat:
    """`driver` is QEMU's name for it, `raw` for a disk as it is, empty where QEMU is not asked. `packing`: what it is
    compressed with. `content_bytes`: of a fixed VHD, what comes before its footer. `refused`: why it cannot be read, in
    words that follow "the image is"; `resolution`: what would help."""

    driver: str
    packing: Packing | None = None
    content_bytes: int | None = None
    refused: str = ""
    resolution: str = ""

    @property
    def name(self) -> str:
        """One word for it, as people call it: raw, qcow2, vmdk, vhd, gzip …"""
        return {"vpc": "vhd"}.get(self.driver, self.driver) or self.packing or "unknown"

    @property
    def shown(self) -> str:
        """What the image is, in words that follow "is"."""
        return self.refused or (f"compressed with {self.packing}" if self.packing else f"a {self.name} image")


def _packing(front: bytes) -> Packing | None:
    match compression_of(front):
        case "gzip" if front[2:3] != b"\x08":  # a disk may begin with two bytes by chance; gzip knows one method
            return None
        case None | "lzo" | "lz4-legacy":
            return None
        case known:
            return known


def image_format(front: bytes, back: bytes, size_bytes: int) -> ImageFormat:
    """By the first FRONT_BYTES and the last BACK_BYTES of a file of `size_bytes`. Total."""
    if packing := _packing(front):
        return ImageFormat("", packing)
    for offset, magic, what, help_ in _STRANGERS:
        if front[offset : offset + len(magic)] == magic:
            return ImageFormat("", refused=what, resolution=help_)
    for read in (_qcow, _vmdk, _vhd, _vdi, _qed):
        if found := read(front, back, size_bytes):
            return found
    return ImageFormat("vhdx") if front.startswith(_VHDX) else ImageFormat("raw")


def _part(driver: str) -> ImageFormat:
    return ImageFormat(
        driver, refused=_ELSEWHERE, resolution="combine it into one file: qemu-img convert -O qcow2 IMAGE WHOLE-IMAGE"
    )


def _qcow(front: bytes, _back: bytes, _size_bytes: int) -> ImageFormat | None:
    """The header's backing file, and version 3's external data file (incompatible feature 2)."""
    if front[:4] != _QCOW or len(front) < 48:
        return None
    version, backing = struct.unpack_from(">IQ", front, 4)
    features = struct.unpack_from(">Q", front, 72)[0] if version >= 3 and len(front) >= 80 else 0
    driver = "qcow" if version == 1 else "qcow2"
    return _part(driver) if backing or features & 1 << 2 else ImageFormat(driver)


def _vmdk(front: bytes, _back: bytes, _size_bytes: int) -> ImageFormat | None:
    """One sparse extent in one file; a descriptor of several files, or of a parent, names others."""
    if front.startswith(_VMDK_TEXT) or front.lstrip().startswith(_VMDK_TEXT):
        return _part("vmdk")
    if front[:4] == _VMDK_ESX:
        return ImageFormat("vmdk")
    if front[:4] != _VMDK or len(front) < 64:
        return None
    capacity = struct.unpack_from("<Q", front, 12)[0]
    extents = [line for line in front[512:].split(b"\n") if line.startswith((b"RW ", b"RDONLY ", b"NOACCESS "))]
    has_parent = b"parentfilenamehint" in front.lower()
    return _part("vmdk") if capacity == 0 or has_parent or len(extents) > 1 else ImageFormat("vmdk")


def _vhd(front: bytes, back: bytes, size_bytes: int) -> ImageFormat | None:
    """A footer at the end, of which dynamic and differencing disks have a copy in front."""
    footer = front[:512] if front.startswith(_VHD) else back[-512:]
    if not footer.startswith(_VHD) or len(footer) < 512:
        return None
    kind = struct.unpack_from(">I", footer, 60)[0]
    if kind == _DIFFERENCING:
        return _part("vpc")
    content = min(struct.unpack_from(">Q", footer, 48)[0], size_bytes - 512)
    return ImageFormat("raw", content_bytes=content) if kind == _FIXED else ImageFormat("vpc")


def _vdi(front: bytes, _back: bytes, _size_bytes: int) -> ImageFormat | None:
    if len(front) < 512 or struct.unpack_from("<I", front, 0x40)[0] != _VDI:
        return None
    return _part("vdi") if struct.unpack_from("<I", front, 0x4C)[0] == _DIFFERENCING else ImageFormat("vdi")


def _qed(front: bytes, _back: bytes, _size_bytes: int) -> ImageFormat | None:
    if front[:4] != _QED or len(front) < 64:
        return None
    return _part("qed") if struct.unpack_from("<Q", front, 16)[0] & 1 else ImageFormat("qed")
