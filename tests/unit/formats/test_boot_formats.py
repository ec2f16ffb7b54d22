"""Kernels and initrds: what they are taken for, and that no bytes make the readers stumble."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable

import lz4.block
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from imagebuild.formats.bzimage import read_kernel
from imagebuild.formats.initrd import InitrdError, behind_gzip, holds_lvm, holds_module, read_initrd
from imagebuild.formats.kernel_file import unwrap
from imagebuild.testhost import initramfs
from tests.images import initrd, kernel, noise

_PLAIN = initramfs.archive([initramfs.file("lib/modules/6.1/kernel/xen_blkfront.ko.xz", b"x" * 5000)])


def test_a_bzimage_is_read() -> None:
    facts = read_kernel(kernel())
    assert facts is not None
    assert (facts.format, facts.protocol, facts.architecture) == ("bzImage", (2, 15), "x86_64")
    assert (facts.compression, facts.release, facts.complete) == ("xz", "6.1.0-1-amd64", True)


def test_a_truncated_kernel_is_incomplete() -> None:
    facts = read_kernel(kernel()[:-1])
    assert facts is not None
    assert not facts.complete


@pytest.mark.parametrize(
    ("magic", "name"),
    [(b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\x89LZO", "lzo"), (b"\x02\x21\x4c\x18", "lz4"),
     (b"\x28\xb5\x2f\xfd", "zstd"), (b"??", "unknown")],
)  # fmt: skip
def test_the_payloads_compression(magic: bytes, name: str) -> None:
    facts = read_kernel(kernel(payload=magic + noise(999)))
    assert facts is not None
    assert facts.compression == name


def test_an_elf_kernel_in_gzip() -> None:
    facts = unwrap(
        gzip.compress(b"\x7fELF\x02\x01\x01" + bytes(11) + b"\x3e\x00" + bytes(99) + b"Linux version 2.6.18 ")
    )
    assert facts is not None
    assert (facts.format, facts.compression, facts.release) == ("ELF", "gzip", "2.6.18")
    assert unwrap(gzip.compress(b"no kernel")) is None
    assert unwrap(b"\x1f\x8b damaged") is None


@pytest.mark.parametrize(
    "packed",
    [
        _PLAIN, gzip.compress(_PLAIN, mtime=0), bz2.compress(_PLAIN), lzma.compress(_PLAIN),
        lzma.compress(_PLAIN, lzma.FORMAT_ALONE), zstandard.compress(_PLAIN),
        initramfs.archive([initramfs.file("kernel/x86/microcode/x.bin", b"m")]) + bytes(300)
        + gzip.compress(_PLAIN, mtime=0),
    ],
    ids=["plain", "gzip", "bzip2", "xz", "lzma", "zstd", "microcode"],
)  # fmt: skip
def test_initrds_of_every_compression(packed: bytes) -> None:
    assert holds_module(read_initrd(packed), "xen-blkfront")


def test_what_an_initrd_holds() -> None:
    facts = read_initrd(initrd(modules=("ext4",), lvm=True))
    assert holds_lvm(facts)
    assert not holds_module(facts, "xen-blkfront")


def test_what_follows_a_gzip_member_is_counted() -> None:
    packed = gzip.compress(_PLAIN)
    assert [behind_gzip(data) for data in (packed, packed + bytes(512), packed + packed, _PLAIN, packed[:-9])] == [
        0, 512, len(packed), 0, 0,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "packed", [gzip.compress(_PLAIN, mtime=0)[:-30], b"", b"nothing", zstandard.compress(_PLAIN)[:-9]]
)
def test_damaged_initrds_are_refused(packed: bytes) -> None:
    with pytest.raises(InitrdError):
        read_initrd(packed)


@given(st.binary(max_size=3000), st.integers(0, 900))
def test_no_bytes_make_them_stumble(data: bytes, offset: int) -> None:
    changed = bytearray(kernel(payload=noise(100)))
    changed[offset : offset + len(data)] = data
    unwrap(bytes(changed))
    for packed in (data, _PLAIN[:offset] + data, gzip.compress(data)):
        try:
            read_initrd(packed)
        except InitrdError:
            continue


def lz4_legacy(data: bytes) -> bytes:
    block: bytes = lz4.block.compress(data, store_size=False)
    return b"\x02\x21\x4c\x18" + len(block).to_bytes(4, "little") + block


def elf_payload(machine: int) -> bytes:
    """The beginning of a kernel proper, with so much behind it that no packer makes it tiny."""
    return b"\x7fELF" + bytes([1 if machine == 3 else 2]) + bytes(13) + machine.to_bytes(2, "little") + noise(9000)


@pytest.mark.parametrize("machine", [3, 62])
@pytest.mark.parametrize("protocol", [(2, 9), (2, 10), (2, 15)])
@pytest.mark.parametrize(
    "pack",
    [bytes, gzip.compress, bz2.compress, lzma.compress, lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
     zstandard.compress,
     lz4_legacy],
    ids=["none", "gzip", "bzip2", "xz", "lzma", "zstd", "lz4"],
)  # fmt: skip
def test_the_payloads_architecture(pack: Callable[[bytes], bytes], protocol: tuple[int, int], machine: int) -> None:
    """RHEL 6 and Debian 7 (protocol 2.10) name no architecture in their release; flags and release say the opposite."""
    flags, release = (1, "3.2.0-x86_64") if machine == 3 else (0, "2.6.32-5-amd64")
    facts = read_kernel(kernel(payload=pack(elf_payload(machine)), protocol=protocol, flags=flags, release=release))
    assert facts is not None
    assert facts.architecture == ("i386" if machine == 3 else "x86_64")
