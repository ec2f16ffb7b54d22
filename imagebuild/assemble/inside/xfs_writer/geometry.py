"""The superblock: sizes and features, and how the numbers of blocks and inodes are made."""

from __future__ import annotations

import struct
from dataclasses import dataclass

BLOCK_BYTES = 4096
SECTOR_BYTES = 512
_MAGIC = b"XFSB"
_CRC_FEATURE_V5 = 5
# sb_features_ro_compat and sb_features_incompat
_FINOBT, _RMAPBT, _REFLINK, _INOBTCNT = 1, 2, 4, 8
_FTYPE, _SPINODES, _META_UUID, _BIGTIME = 1, 2, 4, 8
_KNOWN_RO = _FINOBT | _REFLINK | _INOBTCNT
_KNOWN_INCOMPAT = _FTYPE | _SPINODES | _BIGTIME
_FEATURES2_FTYPE = 0x200  # XFS_SB_VERSION2_FTYPE, in a V4


class XfsError(Exception):
    """The filesystem has a feature that is not written here, or the content does not fit into it."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """`literal_bytes`: the room of an inode for its two forks."""

    crc: bool
    ftype: bool
    finobt: bool
    sparse_inodes: bool
    bigtime: bool
    inobt_counts: bool
    uuid: bytes
    blocks: int
    group_blocks: int
    groups: int
    block_shift: int
    inodes_per_block_shift: int
    inode_bytes: int
    root_inode: int
    inode_alignment_blocks: int

    @property
    def literal_bytes(self) -> int:
        return self.inode_bytes - (176 if self.crc else 100)

    @property
    def chunk_blocks(self) -> int:
        return 64 * self.inode_bytes // BLOCK_BYTES

    def group_of(self, block: int) -> int:
        return block >> self.block_shift

    def block(self, group: int, number: int) -> int:
        """A block's number in the whole filesystem: the group's number stands in its high bits."""
        return group << self.block_shift | number

    def offset(self, block: int) -> int:
        """Where the block lies, in bytes."""
        group, number = block >> self.block_shift, block & ((1 << self.block_shift) - 1)
        return (group * self.group_blocks + number) * BLOCK_BYTES

    def address(self, block: int) -> int:
        """Where the block lies, in sectors: what blocks with a checksum say of themselves."""
        return self.offset(block) // SECTOR_BYTES

    def inode(self, group: int, in_group: int) -> int:
        return group << (self.block_shift + self.inodes_per_block_shift) | in_group

    def inode_in_group(self, inode: int) -> tuple[int, int]:
        shift = self.block_shift + self.inodes_per_block_shift
        return inode >> shift, inode & ((1 << shift) - 1)

    def inode_offset(self, inode: int) -> int:
        """Where the inode lies, in bytes."""
        group, number = self.inode_in_group(inode)
        start = group * self.group_blocks * BLOCK_BYTES
        return start + number * self.inode_bytes


def read_geometry(sector: bytes) -> Geometry:
    """Read the filesystem's first sector. Raises XfsError for what is not written here."""
    if sector[:4] != _MAGIC:
        raise XfsError("no superblock")
    block_bytes, blocks = struct.unpack_from(">IQ", sector, 4)
    version, sector_bytes, inode_bytes = struct.unpack_from(">HHH", sector, 100)
    crc = version & 0xF == _CRC_FEATURE_V5
    features2, _bad, _compat, read_only, incompat = struct.unpack_from(">IIIII", sector, 200)
    ftype = bool(incompat & _FTYPE) if crc else bool(features2 & _FEATURES2_FTYPE)
    if crc and (read_only & ~_KNOWN_RO or incompat & ~_KNOWN_INCOMPAT):
        raise XfsError("it has features that imagebuild does not write")
    if block_bytes != BLOCK_BYTES or sector_bytes != SECTOR_BYTES or sector[192] != 0:
        raise XfsError("it has blocks, sectors or directory blocks of another size")
    return Geometry(
        crc=crc,
        ftype=ftype,
        finobt=crc and bool(read_only & _FINOBT),
        sparse_inodes=crc and bool(incompat & _SPINODES),
        bigtime=crc and bool(incompat & _BIGTIME),
        inobt_counts=crc and bool(read_only & _INOBTCNT),
        uuid=sector[32:48],
        blocks=blocks,
        group_blocks=struct.unpack_from(">I", sector, 84)[0],
        groups=struct.unpack_from(">I", sector, 88)[0],
        block_shift=sector[124],
        inodes_per_block_shift=sector[123],
        inode_bytes=inode_bytes,
        root_inode=struct.unpack_from(">Q", sector, 56)[0],
        inode_alignment_blocks=struct.unpack_from(">I", sector, 180)[0],
    )
