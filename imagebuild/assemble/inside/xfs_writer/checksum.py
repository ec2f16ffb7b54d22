"""CRC-32C as XFS puts it into its blocks, fast where a block is mostly zeros at its end."""

from __future__ import annotations

from functools import cache

from imagebuild.formats.crc32c import crc32c

_WORTH_BYTES = 64
_QUANTUM = 8


def sealed(block: bytearray, offset: int) -> bytearray:
    """The block with its checksum, little-endian, at `offset`."""
    block[offset : offset + 4] = bytes(4)
    block[offset : offset + 4] = _checksum(bytes(block)).to_bytes(4, "little")
    return block


def _checksum(data: bytes) -> int:
    used = -(-len(data.rstrip(b"\0")) // _QUANTUM) * _QUANTUM
    zeros = len(data) - used
    if zeros < _WORTH_BYTES:
        return crc32c(data)
    # The checksum without its two inversions is linear: zeros behind the data are four look-ups.
    value = crc32c(data[:used]) ^ 0xFFFFFFFF
    tables = _zeros(zeros)
    value = tables[0][value & 255] ^ tables[1][value >> 8 & 255] ^ tables[2][value >> 16 & 255] ^ tables[3][value >> 24]
    return value ^ 0xFFFFFFFF


@cache
def _zeros(count: int) -> tuple[tuple[int, ...], ...]:
    """What so many bytes of zeros make of each byte of a checksum."""
    nothing = bytes(count)
    bits = [crc32c(nothing, 1 << bit ^ 0xFFFFFFFF) ^ 0xFFFFFFFF for bit in range(32)]
    tables = []
    for byte in range(4):
        table = [0] * 256
        for value in range(1, 256):
            low = value & -value
            table[value] = table[value ^ low] ^ bits[8 * byte + low.bit_length() - 1]
        tables.append(tuple(table))
    return tuple(tables)
