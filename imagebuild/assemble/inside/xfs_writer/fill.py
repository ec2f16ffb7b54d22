"""A folder's content written into a filesystem that mkfs.xfs has just made."""

from __future__ import annotations

import stat
import struct
from pathlib import Path
from typing import IO

from imagebuild.assemble.inside.xfs_writer import attributes
from imagebuild.assemble.inside.xfs_writer.checksum import sealed
from imagebuild.assemble.inside.xfs_writer.directory import folder
from imagebuild.assemble.inside.xfs_writer.geometry import BLOCK_BYTES, SECTOR_BYTES, Geometry, XfsError, read_geometry
from imagebuild.assemble.inside.xfs_writer.inode import (
    LOCAL,
    Fork,
    Inode,
    Mapped,
    blank,
    device_fork,
    extents_fork,
    pack,
    with_times,
)
from imagebuild.assemble.inside.xfs_writer.space import Space
from imagebuild.assemble.inside.xfs_writer.tree import Node, read_tree, walk
from imagebuild.host.sparse import Extent, aligned_extents

_PIECE_BYTES = 8 * 2**20


def fill_xfs(file: IO[bytes], source: Path) -> None:
    """Write all that `source` holds into the empty XFS in `file` (opened unbuffered).

    Raises XfsError for what does not fit, OSError for what cannot be read or written.
    """
    geometry = read_geometry(file.read(SECTOR_BYTES))
    root = read_tree(source)
    nodes = list(walk(root))
    space = Space(file, geometry)
    space.reserve_inodes(len(nodes) - 1)
    root.number = geometry.root_inode
    for node in nodes[1:]:
        node.number = space.inode()
    parents = {id(below): node.number for node in nodes for _name, below in node.entries if below.is_directory}
    filler = _Filler(file, geometry, space)
    for node in nodes:
        filler.write(node, parents.get(id(node), root.number))
    filler.set_directory_times(root.mtime_ns)
    space.write(lambda number: blank(geometry, number))


class _Filler:
    def __init__(self, file: IO[bytes], geometry: Geometry, space: Space) -> None:
        self._file = file
        self._geometry = geometry
        self._space = space

    def write(self, node: Node, parent: int) -> None:
        named = self._attributes(node)
        room = self._geometry.literal_bytes - (-(-len(named.content) // 8) * 8 if named else 0)
        size, data = self._content(node, parent, room)
        inode = Inode(node.number, node.mode, node.uid, node.gid, node.links, node.mtime_ns, size, data, named)
        try:
            packed = pack(self._geometry, inode)
        except XfsError as error:
            raise XfsError(f"{node.path.name}: {error}") from error
        self._put(self._geometry.inode_offset(node.number), packed)

    def _content(self, node: Node, parent: int, room: int) -> tuple[int, Fork]:
        kind = stat.S_IFMT(node.mode)
        if kind == stat.S_IFDIR:
            entries = [(name, below.number, below.ftype) for name, below in node.entries]
            laid = folder(self._geometry, node.number, parent, entries, room, self._space.blocks)
            for block, content in laid.blocks.items():
                self._put(self._geometry.offset(block), content)
            return laid.size_bytes, laid.fork
        if kind == stat.S_IFREG:
            return node.size_bytes, self._file_content(node)
        if kind == stat.S_IFLNK:
            return len(node.target), self._link(node, room)
        return 0, device_fork(node.mode, node.major, node.minor)

    def _file_content(self, node: Node) -> Fork:
        """The whole file, holes as zeros where it has too many to list them."""
        with node.path.open("rb", buffering=0) as source:
            runs = aligned_extents(source.fileno(), node.size_bytes, alignment_bytes=BLOCK_BYTES, smallest_hole_bytes=1)
            if len(runs) > 4:
                runs = (Extent(0, node.size_bytes),)
            extents: list[Mapped] = []
            for start, end in ((run.start, run.end) for run in runs):
                logical = start // BLOCK_BYTES
                for block, count in self._space.blocks(-(-(end - start) // BLOCK_BYTES)):
                    extents.append((logical, block, count))
                    self._copy(
                        source, logical * BLOCK_BYTES, block, min(count * BLOCK_BYTES, end - logical * BLOCK_BYTES)
                    )
                    logical += count
        return extents_fork(extents)

    def _copy(self, source: IO[bytes], start: int, block: int, length: int) -> None:
        source.seek(start)
        self._file.seek(self._geometry.offset(block))
        while length > 0:
            piece = source.read(min(length, _PIECE_BYTES))
            if not piece:
                raise OSError(5, "a file has become shorter while it was read")
            self._file.write(piece)
            length -= len(piece)

    def _link(self, node: Node, room: int) -> Fork:
        if len(node.target) <= room:
            return Fork(LOCAL, node.target)
        [(block, _count)] = self._space.blocks(1)
        data = bytearray(node.target)
        if self._geometry.crc:
            head = struct.pack(">4sIII16sQQQ", b"XSLM", 0, len(node.target), 0, self._geometry.uuid, node.number,
                               self._geometry.address(block), 0)  # fmt: skip
            data = bytearray(head) + data
        data = data.ljust(BLOCK_BYTES, b"\0")
        if len(data) > BLOCK_BYTES:
            raise XfsError(f"{node.path.name}: its target is too long")
        self._put(self._geometry.offset(block), bytes(sealed(data, 12) if self._geometry.crc else data))
        return extents_fork([(0, block, 1)])

    def _attributes(self, node: Node) -> Fork | None:
        if not node.attributes:
            return None
        try:
            named = attributes.attributes_of(node.attributes)
            short = attributes.short_form(named)
            # The other fork needs room as well: for some extents, or a folder's head.
            if short is not None and len(short) <= self._geometry.literal_bytes // 2:
                return Fork(LOCAL, short)
            [(block, _count)] = self._space.blocks(1)
            content = attributes.leaf(self._geometry, named, block, node.number)
        except XfsError as error:
            raise XfsError(f"{node.path.name}: {error}") from error
        self._put(self._geometry.offset(block), bytes(content))
        return extents_fork([(0, block, 1)])

    def set_directory_times(self, mtime_ns: int) -> None:
        """The two inodes of a realtime device, which follow the root's, are there without one, too."""
        for number in (self._geometry.root_inode + 1, self._geometry.root_inode + 2):
            offset = self._geometry.inode_offset(number)
            self._file.seek(offset)
            self._put(offset, with_times(self._geometry, self._file.read(self._geometry.inode_bytes), mtime_ns))

    def _put(self, offset: int, data: bytes) -> None:
        self._file.seek(offset)
        self._file.write(data)
