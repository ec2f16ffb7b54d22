"""LVM2's metadata, read out of a physical volume: volume groups, their logical volumes and where these lie.

Source: LVM2's lib/format_text/layout.h (label, headers, raw location) and lvm(8)'s text format, which is a nested list
of `name = value` and `name { … }`.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from imagebuild.formats.foreign import number
from imagebuild.formats.superblocks import Superblock

# The metadata area of a physical volume made with the defaults ends at 1 MiB, where its extents begin.
PROBE_BYTES = 2**20
_SECTOR = 512
_MAGIC = b" LVM2 x[5A%r0N*>"
_TOKEN = re.compile(r'#[^\n]*|"((?:[^"\\]|\\.)*)"|[\[\]{}=,]|[^\s\[\]{}=,#"]+')
_MOST_TOKENS = 200_000
_DEEPEST = 16

Value = str | list[str] | dict[str, "Value"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of a logical volume: `offset_bytes` from the start of the physical volume named by `pv_uuid`."""

    pv_uuid: str
    offset_bytes: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Volume:
    """A logical volume. `pieces` is None when it is not linear (striped over several, thin, mirrored …)."""

    name: str
    size_bytes: int
    pieces: tuple[Piece, ...] | None


@dataclass(frozen=True, slots=True)
class Group:
    name: str
    volumes: tuple[Volume, ...]


def read_label(data: bytes) -> Superblock | None:
    """A physical volume by its label, which lies in one of the first four sectors."""
    for sector in range(4):
        label = data[sector * _SECTOR : (sector + 1) * _SECTOR]
        if label[:8] == b"LABELONE" and label[24:32] == b"LVM2 001":
            return Superblock("LVM2_member", label[32:64].decode("ascii", "replace"))
    return None


def read_group(data: bytes) -> Group | None:
    """The volume group that a physical volume belongs to; None when its metadata is missing or damaged."""
    text = _metadata(data)
    if text is None:
        return None
    try:
        tree = _parse(text)
        return _group(tree)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return None


def _metadata(data: bytes) -> str | None:
    label = next((n * _SECTOR for n in range(4) if data[n * _SECTOR : n * _SECTOR + 8] == b"LABELONE"), None)
    if label is None or len(data) < label + _SECTOR:
        return None
    header = label + struct.unpack_from("<I", data, label + 20)[0]
    position = header + 40  # after the UUID (32 bytes) and the device's size
    areas: list[tuple[int, int]] = []
    for _list in range(2):  # data areas, then metadata areas; each list ends with zeros
        areas = []
        while position + 16 <= len(data):
            offset, size = struct.unpack_from("<QQ", data, position)
            position += 16
            if offset == 0:
                break
            areas.append((offset, size))
    for offset, size in areas:
        area = data[offset : offset + size]
        if area[4:20] != _MAGIC or len(area) < 64:
            continue
        start, length = struct.unpack_from("<QQ", area, 40)
        # The area is a ring: text that reaches its end goes on behind the header's sector.
        content = area[start : start + length]
        content += area[_SECTOR : _SECTOR + length - len(content)]
        return content.rstrip(b"\0").decode("utf-8", "replace")
    return None


def _parse(text: str) -> dict[str, Value]:
    words = [
        match[1] if match[1] is not None else match[0]
        for match in _TOKEN.finditer(text)
        if not match[0].startswith("#")
    ]
    if len(words) > _MOST_TOKENS:
        raise ValueError("too much metadata")
    tree, _position = _section(words, 0, 0)
    return tree


def _section(words: list[str], position: int, depth: int) -> tuple[dict[str, Value], int]:
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    section: dict[str, Value] = {}
    while position < len(words) and words[position] != "}":
        name, sign = words[position], words[position + 1]
        if sign == "{":
            section[name], position = _section(words, position + 2, depth + 1)
        elif words[position + 2] == "[":
            end = words.index("]", position)
            section[name] = [word for word in words[position + 3 : end] if word != ","]
            position = end + 1
        else:
            section[name] = words[position + 2]
            position += 3
    return section, position + 1


def _number(section: Value, key: str) -> int:
    if not isinstance(section, dict) or not isinstance(value := section[key], str):
        raise ValueError(key)
    return number(value)


def _sub(section: Value, key: str) -> dict[str, Value]:
    value = section.get(key, {}) if isinstance(section, dict) else {}
    if not isinstance(value, dict):
        raise ValueError(key)
    return value


def _group(tree: dict[str, Value]) -> Group:
    groups = [(name, value) for name, value in tree.items() if isinstance(value, dict)]
    if not groups:
        raise ValueError("no volume group")
    name, body = groups[0]
    extent = _number(body, "extent_size") * _SECTOR
    starts = {}
    for key, volume in _sub(body, "physical_volumes").items():
        identity = volume["id"] if isinstance(volume, dict) else ""
        starts[key] = (str(identity).replace("-", ""), _number(volume, "pe_start") * _SECTOR)
    volumes = tuple(_volume(key, _sub(_sub(body, "logical_volumes"), key), extent, starts)
                    for key in _sub(body, "logical_volumes"))  # fmt: skip
    return Group(name, volumes)


def _volume(name: str, body: dict[str, Value], extent: int, starts: dict[str, tuple[str, int]]) -> Volume:
    pieces: list[Piece] | None = []
    size = 0
    for segment_number in range(1, _number(body, "segment_count") + 1):
        segment = _sub(body, f"segment{segment_number}")
        length = _number(segment, "extent_count") * extent
        size += length
        stripes = segment.get("stripes")
        if segment.get("type") != "striped" or not isinstance(stripes, list) or len(stripes) != 2:
            pieces = None
        if pieces is not None and isinstance(stripes, list):
            uuid, start = starts[stripes[0]]
            pieces.append(Piece(uuid, start + number(stripes[1]) * extent, length))
    return Volume(name, size, tuple(pieces) if pieces is not None else None)
