"""What a file is by its first and last bytes."""

from __future__ import annotations

import struct

import pytest

from imagebuild.formats.image_format import ImageFormat, image_format


def _qcow2(version: int = 3, backing: int = 0, features: int = 0) -> bytes:
    return struct.pack(">4sIQ", b"QFI\xfb", version, backing).ljust(72, b"\0") + struct.pack(">Q", features)


def _vmdk(capacity: int = 1, text: bytes = b"") -> bytes:
    return (b"KDMV" + struct.pack("<IIQ", 1, 3, capacity)).ljust(512, b"\0") + text


def _vhd(kind: int, size_bytes: int = 4096) -> bytes:
    return b"conectix".ljust(48, b"\0") + struct.pack(">QII", size_bytes, 0, kind) + bytes(448)


@pytest.mark.parametrize(
    ("front", "driver"),
    [
        (b"", "raw"), (bytes(512), "raw"), (_qcow2(), "qcow2"), (_qcow2(1), "qcow"), (_vmdk(), "vmdk"),
        (_vmdk(text=b'# Disk DescriptorFile\nRW 8 SPARSE "a.vmdk"\n'), "vmdk"), (b"COWD".ljust(64, b"\0"), "vmdk"),
        (_vhd(3), "vpc"), (bytes(64) + struct.pack("<IIII", 0xBEDA107F, 0, 0, 1) + bytes(512), "vdi"),
        (b"vhdxfile", "vhdx"), (b"QED\0" + bytes(64), "qed"),
    ],
)  # fmt: skip
def test_what_qemu_reads(front: bytes, driver: str) -> None:
    assert image_format(front, b"", len(front)) == ImageFormat(driver)


@pytest.mark.parametrize(
    "front",
    [
        _qcow2(backing=512), _qcow2(features=4), _vmdk(capacity=0), b"# Disk DescriptorFile\nversion=1\n",
        _vmdk(text=b'# Disk DescriptorFile\nparentFileNameHint="other.vmdk"\n'),
        _vmdk(text=b'RW 8 SPARSE "a.vmdk"\nRW 8 FLAT "/etc/shadow" 0\n'), _vhd(4),
        bytes(64) + struct.pack("<IIII", 0xBEDA107F, 0, 0, 4) + bytes(512), b"QED\0" + bytes(12) + b"\1" + bytes(64),
    ],
)  # fmt: skip
def test_parts_of_images_are_refused(front: bytes) -> None:
    assert "names another file" in image_format(front, b"", len(front)).refused


def test_a_fixed_vhd_is_what_comes_before_its_footer() -> None:
    assert image_format(bytes(512), _vhd(2), 4608) == ImageFormat("raw", content_bytes=4096)
    assert image_format(bytes(512), _vhd(2, 2**40), 4608) == ImageFormat("raw", content_bytes=4096)


@pytest.mark.parametrize(
    ("front", "packing"),
    [(b"\x1f\x8b\x08", "gzip"), (b"\xfd7zXZ\0", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"BZh9", "bzip2")],
)
def test_compressed_files(front: bytes, packing: str) -> None:
    assert image_format(front, b"", 100).packing == packing


@pytest.mark.parametrize(
    ("front", "what"), [(b"PK\x03\x04", "zip"), (bytes(257) + b"ustar", "tar"), (b"LUKS\xba\xbe\0\1", "LUKS")]
)
def test_what_cannot_be_read_is_named(front: bytes, what: str) -> None:
    assert what in image_format(front, b"", len(front)).refused
