"""What an ELF file tells a Xen domain builder of itself: the name of the system that it starts.

Sources: xen/include/public/elfnote.h (XEN_ELFNOTE_GUEST_OS, owner `Xen`), Xen's tools/libs/guest (the older section
`__xen_guest`, a text of `NAME=VALUE` separated by commas); elf(5).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

_NOTE_SEGMENT = 4
_GUEST_OS = 6
_MOST_SEGMENTS = 64
_MOST_NOTES = 256
_OLD_TEXT = re.compile(rb"GUEST_OS=([A-Za-z0-9_.-]{1,32}),")


def guest_os(data: bytes) -> str:
    """`linux`, `GRUB`, `Mini-OS` …; empty where nothing says it. Never raises on bad bytes."""
    for note in _notes(data):
        return note
    found = _OLD_TEXT.search(data)
    return found[1].decode("ascii") if found else ""


def _notes(data: bytes) -> Iterator[str]:
    for offset, size in _segments(data):
        position, end = offset, min(offset + size, len(data))
        for _number in range(_MOST_NOTES):
            if position + 12 > end:
                break
            name_size, value_size, kind = struct.unpack_from("<III", data, position)
            name = data[position + 12 : position + 12 + name_size].rstrip(b"\0")
            start = position + 12 + _aligned(name_size)
            if name == b"Xen" and kind == _GUEST_OS and start + value_size <= end:
                yield data[start : start + value_size].split(b"\0")[0].decode("ascii", "replace")
            position = start + _aligned(value_size)


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Offset and size of each segment of notes."""
    if len(data) < 64 or data[:4] != b"\x7fELF":
        return
    wide = data[4] == 2
    table = struct.unpack_from("<Q", data, 32)[0] if wide else struct.unpack_from("<I", data, 28)[0]
    entry_size, count = struct.unpack_from("<HH", data, 54 if wide else 42)
    for number in range(min(count, _MOST_SEGMENTS)):
        at = table + number * entry_size
        if at + (56 if wide else 32) > len(data):
            return
        kind = struct.unpack_from("<I", data, at)[0]
        if kind == _NOTE_SEGMENT:
            offset = struct.unpack_from("<Q" if wide else "<I", data, at + (8 if wide else 4))[0]
            size = struct.unpack_from("<Q" if wide else "<I", data, at + (32 if wide else 16))[0]
            yield offset, size


def _aligned(size: int) -> int:
    return (size + 3) & ~3
