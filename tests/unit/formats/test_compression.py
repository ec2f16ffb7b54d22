"""What bytes are compressed with, held against the programs and libraries that compress."""

from __future__ import annotations

import bz2
import gzip
import lzma

import lz4.frame
import pytest
import zstandard

from imagebuild.formats.bzimage import payload_compression
from imagebuild.formats.compression import compression_of
from imagebuild.formats.image_format import image_format
from imagebuild.rootfs.archive import packing_of

CONTENT = b"content" * 100


PACKED = {
    "gzip": gzip.compress(CONTENT),
    "bzip2": bz2.compress(CONTENT),
    "xz": lzma.compress(CONTENT),
    "lzma": lzma.compress(CONTENT, lzma.FORMAT_ALONE),
    "zstd": zstandard.compress(CONTENT),
    "lz4": lz4.frame.compress(CONTENT),
}


@pytest.mark.parametrize("name", PACKED)
def test_a_stream_is_known_by_its_first_bytes(name: str) -> None:
    assert compression_of(PACKED[name]) == name


def test_what_is_not_compressed_has_no_name() -> None:
    assert compression_of(CONTENT) is None
    assert compression_of(b"") is None


def test_who_unpacks_decides_what_counts() -> None:
    legacy, modern = b"\x02\x21\x4c\x18" + bytes(8), PACKED["lz4"]
    assert (payload_compression(legacy), payload_compression(modern)) == ("lz4", "unknown")
    assert payload_compression(b"\x7fELF") == "none"
    assert (packing_of(modern), packing_of(PACKED["gzip"])) == ("none", "gzip")
    assert (image_format(modern, b"", 100).packing, image_format(legacy, b"", 100).packing) == ("lz4", None)
    assert image_format(b"\x1f\x8b\x00" + bytes(509), b"", 512).packing is None
