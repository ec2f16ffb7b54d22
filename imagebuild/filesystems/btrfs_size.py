"""The size of a Btrfs on one device, changed without mounting it: three numbers and the checksums around them.

Source: the kernel's include/uapi/linux/btrfs_tree.h (offsets in the superblock, items of the chunk tree). The size
stands in the superblock, in its copy of the device item, and in the device item itself, the first of the chunk tree.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from typing import IO

from imagebuild.formats.crc32c import crc32c

_SUPERBLOCKS = (64 * 2**10, 64 * 2**20, 256 * 2**30)
_SUPER_BYTES = 4096
_MAGIC = b"_BHRfS_M"
_CHECKSUM_BYTES = 32
_KEY = struct.Struct("<QBQ")
_CHUNK = struct.Struct("<QQQQIIIHH")
_STRIPE = struct.Struct("<QQ16s")
_HEADER_BYTES = 101
_DEVICE_KEY = (1, 216, 1)  # BTRFS_DEV_ITEMS_OBJECTID, BTRFS_DEV_ITEM_KEY, the first device


class BtrfsError(ValueError):
    """Not a Btrfs on one device, as mkfs.btrfs makes it."""


def set_size(file: IO[bytes], size_bytes: int) -> None:
    """Make the filesystem in `file` (of `size_bytes`, a multiple of 4 KiB) as large as the file. Raises BtrfsError."""
    main = _read(file, _SUPERBLOCKS[0], _SUPER_BYTES)
    if main[64:72] != _MAGIC:
        raise BtrfsError("no superblock")
    chunk_root, node_bytes, kind = _u64(main, 88), _u32(main, 148), struct.unpack_from("<H", main, 196)[0]
    for level in range(main[199], 0, -1):
        node = _read(file, _physical(main, chunk_root)[0], node_bytes)
        if node[_HEADER_BYTES - 1] != level:
            raise BtrfsError("the chunk tree is not as its superblock says")
        chunk_root = _u64(node, _HEADER_BYTES + _KEY.size)
    places = _physical(main, chunk_root)
    leaf = _read(file, places[0], node_bytes)
    if _KEY.unpack_from(leaf, _HEADER_BYTES) != _DEVICE_KEY:
        raise BtrfsError("the chunk tree does not start with its device")
    # The item's data: devid, total_bytes, …; its offset counts from the header's end.
    struct.pack_into("<Q", leaf, _HEADER_BYTES + _u32(leaf, _HEADER_BYTES + _KEY.size) + 8, size_bytes)
    for place in places:
        _write(file, place, leaf, kind)
    for place in _SUPERBLOCKS:
        if place + _SUPER_BYTES > size_bytes:
            break
        copy = _read(file, place, _SUPER_BYTES)
        if copy[64:72] != _MAGIC:  # a copy that lay behind the end before
            copy = bytearray(main)
            struct.pack_into("<Q", copy, 48, place)
        struct.pack_into("<Q", copy, 112, size_bytes)
        struct.pack_into("<Q", copy, 201 + 8, size_bytes)
        _write(file, place, copy, kind)


def _physical(superblock: bytearray, logical: int) -> list[int]:
    """Where a block of the chunk tree lies on the device: twice where it is doubled."""
    for start, length, offsets in _system_chunks(superblock):
        if start <= logical < start + length:
            return [offset + logical - start for offset in offsets]
    raise BtrfsError("the chunk tree is in no system chunk")


def _system_chunks(superblock: bytearray) -> Iterator[tuple[int, int, list[int]]]:
    position, end = 811, 811 + _u32(superblock, 160)
    while position < end:
        start = _KEY.unpack_from(superblock, position)[2]
        position += _KEY.size
        chunk = _CHUNK.unpack_from(superblock, position)
        position += _CHUNK.size
        stripes = [_STRIPE.unpack_from(superblock, position + number * _STRIPE.size) for number in range(chunk[7])]
        position += chunk[7] * _STRIPE.size
        yield start, chunk[0], [stripe[1] for stripe in stripes]


def _checksum(data: bytes, kind: int) -> bytes:
    """By btrfs_csum_type: 0 crc32c, 2 sha256, 3 blake2b; 1, xxhash64, is not in Python."""
    match kind:
        case 0:
            return crc32c(data).to_bytes(4, "little")
        case 2:
            return hashlib.sha256(data).digest()
        case 3:
            return hashlib.blake2b(data, digest_size=32).digest()
        case _:
            raise BtrfsError(f"checksums of type {kind} cannot be made here")


def _read(file: IO[bytes], place: int, length: int) -> bytearray:
    file.seek(place)
    data = bytearray(file.read(length))
    if len(data) != length:
        raise BtrfsError("it ends too soon")
    return data


def _write(file: IO[bytes], place: int, data: bytearray, kind: int) -> None:
    data[:_CHECKSUM_BYTES] = _checksum(bytes(data[_CHECKSUM_BYTES:]), kind).ljust(_CHECKSUM_BYTES, b"\0")
    file.seek(place)
    file.write(data)


def _u64(data: bytearray, offset: int) -> int:
    return int(struct.unpack_from("<Q", data, offset)[0])


def _u32(data: bytearray, offset: int) -> int:
    return int(struct.unpack_from("<I", data, offset)[0])
