"""A kernel gets a second payload: the header leads to it, everything else stays as it was."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
from collections.abc import Callable

import lz4.block
import pytest
import zstandard

from imagebuild.formats.bzimage import read_kernel
from imagebuild.formats.repack import RepackError, with_gzip_payload
from tests import images

ELF = b"\x7fELF" + images.noise(100_000, 7) + bytes(50_000)


def lz4_legacy(data: bytes) -> bytes:
    block: bytes = lz4.block.compress(data, store_size=False)
    return b"\x02\x21\x4c\x18" + struct.pack("<I", len(block)) + block


def with_size(pack: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """As the kernel's own build does it for all but gzip."""
    return lambda data: pack(data) + struct.pack("<I", len(data))


def pack_lzma(data: bytes) -> bytes:
    return lzma.compress(data, lzma.FORMAT_ALONE)


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "lz4": with_size(lz4_legacy),
    "zstd": with_size(zstandard.ZstdCompressor().compress),
    "bzip2": with_size(bz2.compress),
    "xz": with_size(lzma.compress),
    "lzma": with_size(pack_lzma),
    "gzip": gzip.compress,
    "none": bytes,
}


@pytest.mark.parametrize("name", PACKERS)
def test_the_payload_is_the_same_kernel(name: str) -> None:
    before = images.kernel(payload=PACKERS[name](ELF))
    after = with_gzip_payload(before)
    facts = read_kernel(after)
    assert facts is not None
    assert (facts.compression, facts.complete) == ("gzip", True)
    offset, length = struct.unpack_from("<II", after, 0x248)
    payload = after[(after[0x1F1] + 1) * 512 + offset :]
    assert len(payload) == length, "nothing behind it: Xen reads the size from its last four bytes"
    assert gzip.decompress(payload) == ELF
    assert struct.unpack_from("<I", payload, length - 4)[0] == len(ELF)


def test_a_machines_own_start_finds_what_it_found_before() -> None:
    before = images.kernel(payload=PACKERS["lz4"](ELF), padding=b"decompressor")
    after = with_gzip_payload(before)
    changed = {index for index in range(len(before)) if before[index] != after[index]}
    assert changed <= {*range(0x1F4, 0x1F8), *range(0x248, 0x250)}
    assert with_gzip_payload(before) == after, "the same bytes every time"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no bzImage"),
        (b"\x7fELF" + bytes(1000), "no bzImage"),
        (images.kernel(protocol=(2, 7)), "boot protocol 2.08"),
        (images.kernel()[:-1], "ends before its payload does"),
        (images.kernel(payload=b"\x89LZO" + bytes(100)), "(lzo) is not one that is known here"),
        (images.kernel(payload=b"nothing known" * 10), "(unknown) is not one"),
        (images.kernel(payload=gzip.compress(b"no kernel")), "no ELF file"),
        (images.kernel(payload=lz4_legacy(ELF)[:-2000]), "no ELF file"),
        (images.kernel(payload=b"\x28\xb5\x2f\xfd" + bytes(range(200))), "(zstd) cannot be unpacked"),
        (images.kernel(payload=b"\xfd7zXZ\0" + bytes(range(200))), "(xz) cannot be unpacked"),
    ],
)
def test_what_cannot_be_repacked(data: bytes, words: str) -> None:
    with pytest.raises(RepackError) as caught:
        with_gzip_payload(data)
    assert words in str(caught.value)
