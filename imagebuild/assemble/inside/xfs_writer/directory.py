"""Folders in their four forms: inside the inode, one block, blocks with one leaf, blocks with a tree of leaves."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from imagebuild.assemble.inside.xfs_writer.attributes import hash_name, with_info
from imagebuild.assemble.inside.xfs_writer.checksum import sealed
from imagebuild.assemble.inside.xfs_writer.geometry import BLOCK_BYTES, Geometry, XfsError
from imagebuild.assemble.inside.xfs_writer.inode import LOCAL, Fork, Mapped, extents_fork
from imagebuild.assemble.inside.xfs_writer.space import Extent

_LEAF_BLOCK = 2**35 // BLOCK_BYTES
_FREE_BLOCK = 2**36 // BLOCK_BYTES
_LEAF1 = {False: 0xD2F1, True: 0x3DF1}
_LEAFN = {False: 0xD2FF, True: 0x3DFF}
_NODE = {False: 0xFEBE, True: 0x3EBE}
_TAIL_BYTES = 8

Entry = tuple[bytes, int, int]  # name, inode, type
Leaf = tuple[int, int]  # hash, address


@dataclass(slots=True)
class _Block:
    """A block of entries: the entries' bytes behind its header, and where each entry's name is found."""

    content: bytearray
    leaves: list[Leaf]


@dataclass(frozen=True, slots=True)
class Folder:
    """`blocks`: what to write, by the block's number in the filesystem."""

    fork: Fork
    size_bytes: int
    blocks: dict[int, bytes]


def folder(
    geometry: Geometry,
    number: int,
    parent: int,
    entries: list[Entry],
    room: int,
    take: Callable[[int], list[Extent]],
) -> Folder:
    """Lay out a folder. `room`: what its fork may have in the inode; `take` hands out blocks."""
    short = _short_form(geometry, parent, entries)
    if len(short) <= room:
        return Folder(Fork(LOCAL, short), len(short), {})
    data = _data_blocks(geometry, number, parent, entries)
    writer = _Writer(geometry, number, take)
    leaves = sorted(leaf for block in data for leaf in block.leaves)
    if len(data) == 1 and _head(geometry) + len(data[0].content) + len(leaves) * 8 + _TAIL_BYTES <= BLOCK_BYTES:
        writer.one_block(data[0], leaves)
    else:
        writer.data(data)
        if _leaf_head(geometry) + len(leaves) * 8 + len(data) * 2 + 4 <= BLOCK_BYTES:
            writer.one_leaf(data, leaves)
        else:
            writer.many_leaves(data, leaves)
    return Folder(extents_fork(writer.extents), len(data) * BLOCK_BYTES, writer.blocks)


def _short_form(geometry: Geometry, parent: int, entries: list[Entry]) -> bytes:
    offset = _head(geometry) + 2 * _entry_bytes(geometry, b"..")
    packed = [struct.pack(">BBI", len(entries) & 0xFF, 0, parent)]
    for name, inode, ftype in entries:
        kind = bytes([ftype]) if geometry.ftype else b""
        packed.append(struct.pack(">BH", len(name), offset & 0xFFFF) + name + kind + struct.pack(">I", inode))
        offset += _entry_bytes(geometry, name)
    # Numbers of more than 32 bits, and more than 255 entries, are for the other forms.
    fits = len(entries) < 256 and parent < 2**32 and all(inode < 2**32 for _name, inode, _ftype in entries)
    return b"".join(packed) if fits else b"".join(packed).ljust(BLOCK_BYTES, b"\0")


def _head(geometry: Geometry) -> int:
    return 64 if geometry.crc else 16


def _leaf_head(geometry: Geometry) -> int:
    return 64 if geometry.crc else 16


def _entry_bytes(geometry: Geometry, name: bytes) -> int:
    return -(-(8 + 1 + len(name) + geometry.ftype + 2) // 8) * 8


def _data_blocks(geometry: Geometry, number: int, parent: int, entries: list[Entry]) -> list[_Block]:
    head = _head(geometry)
    blocks = [_Block(bytearray(), [])]
    for name, inode, ftype in [(b".", number, 2), (b"..", parent, 2), *entries]:
        length = _entry_bytes(geometry, name)
        if head + len(blocks[-1].content) + length > BLOCK_BYTES:
            blocks.append(_Block(bytearray(), []))
        block = blocks[-1]
        place = head + len(block.content)
        kind = bytes([ftype]) if geometry.ftype else b""
        packed = struct.pack(">QB", inode, len(name)) + name + kind
        block.content += packed.ljust(length - 2, b"\0") + struct.pack(">H", place)
        block.leaves.append((hash_name(name), ((len(blocks) - 1) * BLOCK_BYTES + place) >> 3))
    return blocks


class _Writer:
    """Gives the blocks of one folder their places and their final bytes."""

    def __init__(self, geometry: Geometry, number: int, take: Callable[[int], list[Extent]]) -> None:
        self._geometry = geometry
        self._number = number
        self._take = take
        self.extents: list[Mapped] = []
        self.blocks: dict[int, bytes] = {}

    def one_block(self, block: _Block, leaves: list[Leaf]) -> None:
        end = BLOCK_BYTES - _TAIL_BYTES - len(leaves) * 8
        tail = b"".join(struct.pack(">II", *leaf) for leaf in leaves) + struct.pack(">II", len(leaves), 0)
        [place] = self._places(0, 1)
        self._put_data(place, b"XDB3" if self._geometry.crc else b"XD2B", block, end, tail)

    def data(self, blocks: list[_Block]) -> None:
        for place, block in zip(self._places(0, len(blocks)), blocks, strict=True):
            self._put_data(place, b"XDD3" if self._geometry.crc else b"XD2D", block, BLOCK_BYTES, b"")

    def one_leaf(self, blocks: list[_Block], leaves: list[Leaf]) -> None:
        [place] = self._places(_LEAF_BLOCK, 1)
        data = self._leaf_block(leaves)
        bests = struct.pack(f">{len(blocks)}HI", *self._bests(blocks), len(blocks))
        data[-len(bests) :] = bests
        self._put_leaf(place, _LEAF1, data, len(leaves), (0, 0))

    def many_leaves(self, blocks: list[_Block], leaves: list[Leaf]) -> None:
        most = (BLOCK_BYTES - _leaf_head(self._geometry)) // 8
        # A tree with one leaf is none: Linux would have that leaf in the root's place.
        count = max(2, -(-len(leaves) // most))
        if count > most:
            raise XfsError("a directory has too many entries")
        parts = [leaves[len(leaves) * n // count : len(leaves) * (n + 1) // count] for n in range(count)]
        root, *places = self._places(_LEAF_BLOCK, 1 + count)
        for index, (place, part) in enumerate(zip(places, parts, strict=True)):
            links = (_LEAF_BLOCK + index + 2 if index + 1 < count else 0, _LEAF_BLOCK + index if index else 0)
            self._put_leaf(place, _LEAFN, self._leaf_block(part), len(part), links)
        keys = b"".join(struct.pack(">II", part[-1][0], _LEAF_BLOCK + 1 + index) for index, part in enumerate(parts))
        data = bytearray(BLOCK_BYTES)
        head = _leaf_head(self._geometry)
        data[head : head + len(keys)] = keys
        tail = struct.pack(">HH", count, 1) + (bytes(4) if self._geometry.crc else b"")
        magic = _NODE[self._geometry.crc]
        self.blocks[root] = bytes(with_info(self._geometry, data, magic, root, self._number, tail))
        self._free_index(self._bests(blocks))

    def _free_index(self, bests: list[int]) -> None:
        crc = self._geometry.crc
        head = 64 if crc else 16
        most = (BLOCK_BYTES - head) // 2
        parts = [bests[start : start + most] for start in range(0, len(bests), most)]
        for index, (place, part) in enumerate(zip(self._places(_FREE_BLOCK, len(parts)), parts, strict=True)):
            counts = struct.pack(">III", index * most, len(part), len(part))
            data = bytearray(self._block_head(b"XDF3" if crc else b"XD2F", place) + counts + (bytes(4) if crc else b""))
            data += struct.pack(f">{len(part)}H", *part)
            data = data.ljust(BLOCK_BYTES, b"\0")
            self.blocks[place] = bytes(sealed(data, 4) if crc else data)

    def _places(self, logical: int, count: int) -> list[int]:
        places: list[int] = []
        for start, length in self._take(count):
            self.extents.append((logical + len(places), start, length))
            places += range(start, start + length)
        return places

    def _bests(self, blocks: list[_Block]) -> list[int]:
        return [BLOCK_BYTES - _head(self._geometry) - len(block.content) for block in blocks]

    def _leaf_block(self, leaves: list[Leaf]) -> bytearray:
        packed = b"".join(struct.pack(">II", *leaf) for leaf in leaves)
        return bytearray(bytes(_leaf_head(self._geometry)) + packed).ljust(BLOCK_BYTES, b"\0")

    def _put_leaf(
        self, place: int, magics: dict[bool, int], data: bytearray, count: int, links: tuple[int, int]
    ) -> None:
        tail = struct.pack(">HH", count, 0) + (bytes(4) if self._geometry.crc else b"")
        magic = magics[self._geometry.crc]
        self.blocks[place] = bytes(with_info(self._geometry, data, magic, place, self._number, tail, links=links))

    def _put_data(self, place: int, magic: bytes, block: _Block, end: int, tail: bytes) -> None:
        """Entries, then what is unused as one stretch, then (in the one-block form) the sorted addresses."""
        start = _head(self._geometry) + len(block.content)
        unused = end - start
        best = struct.pack(">HH8x", start, unused) if unused else bytes(12)
        data = bytearray(self._block_head(magic, place) + best + (bytes(4) if self._geometry.crc else b""))
        data += block.content
        if unused:
            data += struct.pack(">HH", 0xFFFF, unused) + bytes(unused - 6) + struct.pack(">H", start)
        data += tail
        self.blocks[place] = bytes(sealed(data, 4) if self._geometry.crc else data)

    def _block_head(self, magic: bytes, place: int) -> bytes:
        geometry = self._geometry
        if not geometry.crc:
            return magic
        return magic + struct.pack(">IQQ16sQ", 0, geometry.address(place), 0, geometry.uuid, self._number)
