"""Inodes with their two forks: the data (inside, or as a list of extents) and the extended attributes."""

from __future__ import annotations

import stat
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from imagebuild.assemble.inside.xfs_writer.checksum import sealed
from imagebuild.assemble.inside.xfs_writer.geometry import Geometry, XfsError

_NULL = 0xFFFFFFFF
DEV, LOCAL, EXTENTS = 0, 1, 2
_BIGTIME_FLAG = 1 << 3
_BIGTIME_SHIFT = 2**31  # the seconds between its zero and the epoch
_NANO = 10**9

# (block in the file, block in the filesystem, how many)
Mapped = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Fork:
    """`format` is the disk's own number for it. `content`: what stands in the inode; `extents` what lies outside."""

    format: int
    content: bytes
    extents: tuple[Mapped, ...] = ()

    @property
    def blocks(self) -> int:
        return sum(count for _logical, _physical, count in self.extents)


def extents_fork(extents: Sequence[Mapped]) -> Fork:
    """As a list inside the inode: 54 bits of the file's block, 52 of the filesystem's, 21 of the count."""
    packed = b"".join(
        (logical << 73 | physical << 21 | count).to_bytes(16, "big") for logical, physical, count in extents
    )
    return Fork(EXTENTS, packed, tuple(extents))


@dataclass(frozen=True, slots=True)
class Inode:
    """One inode. `mode` with the type; times are one: what the tree says was the last change."""

    number: int
    mode: int
    uid: int
    gid: int
    links: int
    mtime_ns: int
    size_bytes: int
    data: Fork
    attributes: Fork | None = None


def pack(geometry: Geometry, inode: Inode) -> bytes:
    """The inode as it lies on the disk. Raises XfsError when its forks do not fit."""
    attributes = inode.attributes
    room = geometry.literal_bytes
    offset = (room - len(attributes.content)) // 8 * 8 if attributes else room
    if len(inode.data.content) > offset:
        raise XfsError(f"inode {inode.number} is too full: its content is in too many pieces")
    device = inode.data.format == DEV
    head = _core(geometry, inode.number, inode.mode)
    times = _time(geometry, inode.mtime_ns) * 3
    struct.pack_into(">BB", head, 4, 3 if geometry.crc else 2, inode.data.format)
    struct.pack_into(">III", head, 8, inode.uid, inode.gid, inode.links)
    head[32:56] = times
    blocks = inode.data.blocks + (attributes.blocks if attributes else 0)
    count = 0 if device else len(inode.data.extents)
    struct.pack_into(">QQIIH", head, 56, inode.size_bytes, blocks, 0, count,
                     len(attributes.extents) if attributes else 0)  # fmt: skip
    struct.pack_into(">BB", head, 82, offset // 8 if attributes else 0, attributes.format if attributes else EXTENTS)
    if geometry.crc:
        head[144:152] = times[:8]
    data = bytearray(geometry.inode_bytes)
    data[: len(head)] = head
    data[len(head) : len(head) + len(inode.data.content)] = inode.data.content
    if attributes:
        start = len(head) + offset
        data[start : start + len(attributes.content)] = attributes.content
    return bytes(sealed(data, 100) if geometry.crc else data)


def blank(geometry: Geometry, number: int) -> bytes:
    """A free inode."""
    data = bytearray(geometry.inode_bytes)
    head = _core(geometry, number, 0)
    head[4] = 3 if geometry.crc else 2
    data[: len(head)] = head
    return bytes(sealed(data, 100) if geometry.crc else data)


def with_times(geometry: Geometry, packed: bytes, mtime_ns: int) -> bytes:
    """An inode that mkfs.xfs has made, without what it takes from the clock and draws at random.

    Read it was never: so xfsprogs 6.1 leaves it, 6.13 takes the clock for the summary of the realtime device.
    """
    data = bytearray(packed)
    time = _time(geometry, mtime_ns)
    data[32:40] = _time(geometry, 0)
    data[40:56] = time * 2
    data[92:96] = bytes(4)  # its generation
    if geometry.crc:
        data[144:152] = time
    return bytes(sealed(data, 100) if geometry.crc else data)


def device_fork(mode: int, major: int, minor: int) -> Fork:
    """xfs_dev_t: 14 bits of the major number, 18 of the minor one; zeros for pipes and sockets."""
    number = (major << 18 | minor) if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) else 0
    return Fork(DEV, struct.pack(">I", number & _NULL))


def _core(geometry: Geometry, number: int, mode: int) -> bytearray:
    head = bytearray(176 if geometry.crc else 100)
    struct.pack_into(">2sH", head, 0, b"IN", mode)
    struct.pack_into(">I", head, 96, _NULL)  # not on the list of what was deleted while open
    if geometry.crc:
        struct.pack_into(">Q", head, 120, _BIGTIME_FLAG if geometry.bigtime and mode else 0)
        struct.pack_into(">Q16s", head, 152, number, geometry.uuid)
    return head


def _time(geometry: Geometry, nanoseconds: int) -> bytes:
    seconds, rest = divmod(nanoseconds, _NANO)
    if geometry.bigtime:
        return struct.pack(">Q", (max(seconds, -_BIGTIME_SHIFT) + _BIGTIME_SHIFT) * _NANO + rest)
    return struct.pack(">iI", min(max(seconds, -(2**31)), 2**31 - 1), rest)
