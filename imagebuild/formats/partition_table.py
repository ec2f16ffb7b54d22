"""Whether Linux takes a disk's first sector for a partition table, or for a boot sector that only ends like one.

Source: Linux' block/partitions/msdos.c (msdos_partition): the signature, each slot's flag 00 or 80, else no table; and
libblkid's partitions/dos.c, which asks for the same.
"""

from __future__ import annotations

_SLOTS_AT, _SLOT_BYTES, _SLOTS = 446, 16, 4
_FLAGS = (0x00, 0x80)


def odd_flags(sector: bytes) -> list[int]:
    """The flags of the four slots that are neither 00 nor 80: with any of them Linux sees no table."""
    flags = [sector[_SLOTS_AT + number * _SLOT_BYTES] for number in range(_SLOTS)] if len(sector) >= 512 else []
    return [flag for flag in flags if flag not in _FLAGS]
