"""CRC-32C, by the values of RFC 3720 (iSCSI), appendix B.4."""

from __future__ import annotations

from imagebuild.formats.crc32c import crc32c


def test_known_values() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(bytes(range(32))) == 0x46DD794E


def test_it_goes_on_from_what_came_before() -> None:
    assert crc32c(b"56789", crc32c(b"1234")) == crc32c(b"123456789")
