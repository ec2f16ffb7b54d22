"""What an .rpm file's headers say, and where its payload begins. The same headers are the records of an rpm database.

Source: rpm's docs/manual/format_lead.md, format_header.md, format_payload.md; the tags' numbers: lib/rpmtag.h.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_LEAD_MAGIC = b"\xed\xab\xee\xdb"
_LEAD_BYTES = 96
_HEADER_MAGIC = b"\x8e\xad\xe8\x01"
_INDEX_BYTES = 16
_MOST_ENTRIES = 0x10000
_MOST_STORE_BYTES = 64 * 2**20
_NAME, _VERSION, _RELEASE, _EPOCH, _ARCH, _PAYLOAD_FORMAT, _SOURCE_RPM = 1000, 1001, 1002, 1003, 1022, 1124, 1044
_INT32, _STRING, _I18N_STRING, _STRING_ARRAY = 4, 6, 9, 8


class RpmError(ValueError):
    """The bytes are no rpm package or header, or a damaged one."""


@dataclass(frozen=True, slots=True)
class RpmFacts:
    """`payload_offset`: where the payload begins in the file (0 for a database's record). `is_source`: a source rpm."""

    name: str
    version: str
    release: str
    epoch: int
    architecture: str
    payload_format: str
    payload_offset: int
    is_source: bool


def read_rpm(data: bytes) -> RpmFacts:
    """The facts of a package, from its beginning (lead and both headers). Raises RpmError."""
    if data[:4] != _LEAD_MAGIC:
        raise RpmError("it does not start like an rpm package")
    signature_end = _header_end(data, _LEAD_BYTES)
    start = (signature_end + 7) & ~7  # the signature's header is padded to eight bytes
    return _facts(data, start, _header_end(data, start))


def read_record(blob: bytes) -> RpmFacts:
    """The facts of an installed package, from its record in an rpm database: a header without its magic."""
    return _facts(_HEADER_MAGIC + bytes(4) + blob, 0, 0)


def header_bytes_needed(data: bytes) -> int:
    """How many bytes of the file `read_rpm` needs, as far as `data` tells: more than `len(data)` to be asked again."""
    if len(data) < _LEAD_BYTES + 16:
        return _LEAD_BYTES + 16
    start = (_header_end(data, _LEAD_BYTES, whole=False) + 7) & ~7
    if len(data) < start + 16:
        return start + 16
    return _header_end(data, start, whole=False)


def _header_end(data: bytes, start: int, *, whole: bool = True) -> int:
    if data[start : start + 4] != _HEADER_MAGIC or len(data) < start + 16:
        raise RpmError(f"there is no rpm header at byte {start}")
    entries, store = struct.unpack_from(">II", data, start + 8)
    if entries > _MOST_ENTRIES or store > _MOST_STORE_BYTES:
        raise RpmError(f"the header at byte {start} claims {entries} entries and {store} bytes")
    end = start + 16 + entries * _INDEX_BYTES + store
    if whole and end > len(data):
        raise RpmError(f"the header at byte {start} is cut off")
    return int(end)


def _facts(data: bytes, start: int, payload_offset: int) -> RpmFacts:
    _header_end(data, start)
    values = _values(data, start)
    name = values.get(_NAME)
    if not isinstance(name, str):
        raise RpmError("the header names no package")

    def text(tag: int) -> str:
        value = values.get(tag, "")
        return value if isinstance(value, str) else ""

    epoch = values.get(_EPOCH, 0)
    return RpmFacts(
        name=name,
        version=text(_VERSION),
        release=text(_RELEASE),
        epoch=epoch if isinstance(epoch, int) else 0,
        architecture=text(_ARCH),
        payload_format=text(_PAYLOAD_FORMAT) or "cpio",
        payload_offset=payload_offset,
        is_source=_SOURCE_RPM not in values,
    )


def _values(data: bytes, start: int) -> dict[int, str | int]:
    """The tags that we ask about: a text (the first of several), or a number."""
    entries, store_bytes = struct.unpack_from(">II", data, start + 8)
    store = start + 16 + entries * _INDEX_BYTES
    end = store + store_bytes
    found: dict[int, str | int] = {}
    for number in range(entries):
        tag, kind, offset, _count = struct.unpack_from(">IIII", data, start + 16 + number * _INDEX_BYTES)
        at = store + offset
        if at >= end:
            continue
        if kind in (_STRING, _I18N_STRING, _STRING_ARRAY):
            stop = data.find(b"\0", at, end)
            found[tag] = data[at : stop if stop >= 0 else end].decode("utf-8", "replace")
        elif kind == _INT32 and at + 4 <= end:
            found[tag] = struct.unpack_from(">I", data, at)[0]
    return found
