"""Free space and inodes of the allocation groups: handed out from the front, written down at the end.

After mkfs.xfs each group's free extents stand in one block of its tree. What is left of them, and the chunks of 64
inodes that were made, is written back as trees built at once from sorted records.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import IO

from imagebuild.assemble.inside.xfs_writer.checksum import sealed
from imagebuild.assemble.inside.xfs_writer.geometry import BLOCK_BYTES, SECTOR_BYTES, Geometry, XfsError

_NULL = 0xFFFFFFFF
CHUNK_INODES = 64
_BNO, _CNT, _INO, _FINO = b"ABTB", b"ABTC", b"IABT", b"FIBT"
_V5_MAGICS = {_BNO: b"AB3B", _CNT: b"AB3C", _INO: b"IAB3", _FINO: b"FIB3"}
MOST_EXTENT_BLOCKS = 2**21 - 1
# Of each group a part is left free: Linux reserves some for the trees of inodes and references (xfs_ag_resv.c; for
# those at most 1 %), and cannot where there is none.
_KEPT_FREE = 48

Extent = tuple[int, int]  # a block's number in the whole filesystem, and how many follow it


@dataclass(slots=True)
class Group:
    """`free`: (block in the group, length), sorted. `chunks`: first inode in the group → how many of it are used."""

    number: int
    free: list[Extent]
    chunks: dict[int, int] = field(default_factory=dict)
    taken: int = 0


class Space:
    """The groups of one filesystem in `file`, as mkfs.xfs left them."""

    def __init__(self, file: IO[bytes], geometry: Geometry) -> None:
        self._file = file
        self._geometry = geometry
        self._groups = [Group(number, self._read_free(number)) for number in range(geometry.groups)]
        group, first = geometry.inode_in_group(geometry.root_inode)
        # mkfs.xfs' own: the root folder, and the bitmap and summary of the realtime device that is not there.
        self._groups[group].chunks[first & ~(CHUNK_INODES - 1)] = 3
        self._next_inode: list[int] = []

    # --- handing out ---

    def reserve_inodes(self, count: int) -> None:
        """Make room for so many inodes beside the root's, spread over the groups, before the content takes its own."""
        geometry = self._geometry
        group, root = geometry.inode_in_group(geometry.root_inode)
        first = root & ~(CHUNK_INODES - 1)
        free = range(first + self._groups[group].chunks[first], first + CHUNK_INODES)
        numbers = [geometry.inode(group, number) for number in free][:count]
        self._groups[group].chunks[first] += len(numbers)
        chunks = -(-(count - len(numbers)) // CHUNK_INODES)
        for index, target in enumerate(self._groups):
            share = chunks * (index + 1) // len(self._groups) - chunks * index // len(self._groups)
            for _chunk in range(share):
                start = self._take_chunk(target)
                target.chunks[start] = min(CHUNK_INODES, count - len(numbers))
                numbers += [geometry.inode(index, start + place) for place in range(target.chunks[start])]
        self._next_inode = numbers[::-1]

    def inode(self) -> int:
        return self._next_inode.pop()

    def blocks(self, count: int) -> list[Extent]:
        """So many blocks, in as few extents as there is room for. Raises XfsError when there is none."""
        found: list[Extent] = []
        for group in self._groups:
            room = sum(length for _start, length in group.free) - self._geometry.group_blocks // _KEPT_FREE
            while count and room > 0:
                start, length = group.free[0]
                part = min(count, length, room, MOST_EXTENT_BLOCKS)
                room -= part
                self._cut(group, 0, start, part)
                found.append((self._geometry.block(group.number, start), part))
                count -= part
        if count:
            raise XfsError("the content does not fit into it")
        return found

    def _take_chunk(self, group: Group) -> int:
        """The first inode (in its group) of a new chunk, at an aligned place."""
        blocks = self._geometry.chunk_blocks
        quantum = max(blocks, self._geometry.inode_alignment_blocks)
        for index, (start, length) in enumerate(group.free):
            aligned = -(-start // quantum) * quantum
            if aligned + blocks <= start + length:
                self._cut(group, index, aligned, blocks)
                return aligned << self._geometry.inodes_per_block_shift
        raise XfsError("there is no space for its inodes")

    def _cut(self, group: Group, index: int, start: int, blocks: int) -> None:
        begin, length = group.free[index]
        rest = [(begin, start - begin), (start + blocks, begin + length - start - blocks)]
        group.free[index : index + 1] = [extent for extent in rest if extent[1]]
        group.taken += blocks

    # --- writing down ---

    def write(self, blank_inode: Callable[[int], bytes]) -> None:
        """Write trees, headers and counters, and inodes that are free with `blank_inode`."""
        for group in self._groups:
            self._write_blank(group, blank_inode)
            self._write_inode_trees(group)
        for group in self._groups:
            self._write_free(group)
        self._write_superblock()

    def _write_blank(self, group: Group, blank_inode: Callable[[int], bytes]) -> None:
        for start, used in group.chunks.items():
            for place in range(used, CHUNK_INODES):
                number = self._geometry.inode(group.number, start + place)
                self._put(self._geometry.inode_offset(number), blank_inode(number))

    def _read_free(self, group: int) -> list[Extent]:
        header = self._sector(group, 1)
        root, level, count = struct.unpack_from(">I", header, 16)[0], struct.unpack_from(">I", header, 28)[0], 0
        block = self._get(self._geometry.offset(self._geometry.block(group, root)), BLOCK_BYTES)
        count = struct.unpack_from(">H", block, 6)[0]
        if level != 1:
            raise XfsError("its free space is not as mkfs.xfs leaves it")
        return [struct.unpack_from(">II", block, self._head_bytes + number * 8) for number in range(count)]

    def _write_free(self, group: Group) -> None:
        sector = self._sector(group.number, 1)
        by_place = [struct.pack(">II", *extent) for extent in group.free]
        by_length = [struct.pack(">II", *extent) for extent in sorted(group.free, key=lambda item: item[::-1])]
        if len(by_place) > (BLOCK_BYTES - self._head_bytes) // 8:
            raise XfsError("its free space is in too many pieces")
        for magic, offset, records in ((_BNO, 16, by_place), (_CNT, 20, by_length)):
            root = struct.unpack_from(">I", sector, offset)[0]
            self._write_node(group.number, root, magic, 0, (_NULL, _NULL), records)
        lengths = [length for _start, length in group.free]
        struct.pack_into(">II", sector, 52, sum(lengths), max(lengths, default=0))
        self._put_sector(group.number, 1, sector, 216)

    def _write_inode_trees(self, group: Group) -> None:
        """Both trees of inodes; they may need more blocks, so the free space is written after them."""
        sector = self._sector(group.number, 2)
        records = {start: self._inode_record(start, used) for start, used in sorted(group.chunks.items())}
        root, level, blocks = self._build(group, struct.unpack_from(">I", sector, 20)[0], _INO, list(records.values()))
        total = CHUNK_INODES * len(records)
        used = sum(group.chunks.values())
        newest = max(records, default=_NULL)
        struct.pack_into(">IIIII", sector, 16, total, root, level, total - used, newest)
        if self._geometry.finobt:
            free = [record for start, record in records.items() if group.chunks[start] < CHUNK_INODES]
            old = struct.unpack_from(">I", sector, 328)[0]
            free_root, free_level, free_blocks = self._build(group, old, _FINO, free)
            struct.pack_into(">II", sector, 328, free_root, free_level)
            if self._geometry.inobt_counts:
                struct.pack_into(">II", sector, 336, blocks, free_blocks)
        self._put_sector(group.number, 2, sector, 312)

    def _inode_record(self, start: int, used: int) -> bytes:
        free = CHUNK_INODES - used
        mask = (1 << CHUNK_INODES) - (1 << used)
        if self._geometry.sparse_inodes:
            return struct.pack(">IHBBQ", start, 0, CHUNK_INODES, free, mask)
        return struct.pack(">IIQ", start, free, mask)

    def _build(self, group: Group, root: int, magic: bytes, records: list[bytes]) -> tuple[int, int, int]:
        """A tree of inode records, its root in the block `root`: (root, levels, blocks)."""
        most_records = (BLOCK_BYTES - self._head_bytes) // 16
        most_keys = (BLOCK_BYTES - self._head_bytes) // 8
        level, blocks = 0, 0
        parts = _split(records, most_records)
        while len(parts) > 1:
            places = [self.blocks_in(group) for _part in parts]
            for index, (place, part) in enumerate(zip(places, parts, strict=True)):
                left = places[index - 1] if index else _NULL
                right = places[index + 1] if index + 1 < len(places) else _NULL
                self._write_level(group, place, magic, level, (left, right), part, most_keys)
            blocks += len(places)
            keys = [part[0][:4] + struct.pack(">I", place) for place, part in zip(places, parts, strict=True)]
            parts = _split(keys, most_keys)
            level += 1
        self._write_level(group, root, magic, level, (_NULL, _NULL), parts[0], most_keys)
        return root, level + 1, blocks + 1

    def _write_level(
        self, group: Group, place: int, magic: bytes, level: int, siblings: Extent, part: list[bytes], most_keys: int
    ) -> None:
        if level == 0:
            self._write_node(group.number, place, magic, 0, siblings, part)
            return
        # Keys first, then as many pointers, which begin where they would in a full node.
        keys = b"".join(item[:4] for item in part).ljust(most_keys * 4, b"\0")
        pointers = b"".join(item[4:8] for item in part)
        self._write_node(group.number, place, magic, level, siblings, part, keys + pointers)

    def blocks_in(self, group: Group) -> int:
        """One block of that group (a tree lies in its own group)."""
        if not group.free:
            raise XfsError("there is no space for its inodes")
        start = group.free[0][0]
        self._cut(group, 0, start, 1)
        return start

    def _write_node(
        self,
        group: int,
        place: int,
        magic: bytes,
        level: int,
        siblings: Extent,
        records: Sequence[bytes],
        content: bytes | None = None,
    ) -> None:
        geometry = self._geometry
        block = geometry.block(group, place)
        name = _V5_MAGICS[magic] if geometry.crc else magic
        data = bytearray(struct.pack(">4sHHII", name, level, len(records), *siblings))
        if geometry.crc:
            data += struct.pack(">QQ16sII", geometry.address(block), 0, geometry.uuid, group, 0)
        data += b"".join(records) if content is None else content
        data = data.ljust(BLOCK_BYTES, b"\0")
        self._put(geometry.offset(block), bytes(sealed(data, 52) if geometry.crc else data))

    def _write_superblock(self) -> None:
        sector = bytearray(self._get(0, SECTOR_BYTES))
        free = struct.unpack_from(">Q", sector, 144)[0] - sum(group.taken for group in self._groups)
        total = sum(CHUNK_INODES * len(group.chunks) for group in self._groups)
        used = sum(sum(group.chunks.values()) for group in self._groups)
        struct.pack_into(">QQQ", sector, 128, total, total - used, free)
        self._put(0, bytes(sealed(sector, 224) if self._geometry.crc else sector))

    # --- the file ---

    @property
    def _head_bytes(self) -> int:
        return 56 if self._geometry.crc else 16

    def _sector(self, group: int, sector: int) -> bytearray:
        start = group * self._geometry.group_blocks * BLOCK_BYTES
        return bytearray(self._get(start + sector * SECTOR_BYTES, SECTOR_BYTES))

    def _put_sector(self, group: int, sector: int, data: bytearray, checksum_at: int) -> None:
        start = group * self._geometry.group_blocks * BLOCK_BYTES
        self._put(start + sector * SECTOR_BYTES, bytes(sealed(data, checksum_at) if self._geometry.crc else data))

    def _get(self, offset: int, length: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(length)

    def _put(self, offset: int, data: bytes) -> None:
        self._file.seek(offset)
        self._file.write(data)


def _split(records: list[bytes], most: int) -> list[list[bytes]]:
    """In parts of nearly one size, none larger than `most`; one empty part for no records."""
    count = max(1, -(-len(records) // most))
    return [records[len(records) * n // count : len(records) * (n + 1) // count] for n in range(count)]
