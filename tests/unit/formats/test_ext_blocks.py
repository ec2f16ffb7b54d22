"""What debugfs prints, and the holes in it."""

from __future__ import annotations

from imagebuild.filesystems.ext_blocks import BlockMap, read_stat, unreadable

_STAT = """Inode: 15   Type: regular    Mode:  0644   Flags: 0x80000
Generation: 0    Version: 0x00000000:00000000
User:     0   Group:     0   Project:     0   Size: 40000
File ACL: 0
Links: 1   Blockcount: 16112
Fragment:  Address: 0    Number: 0    Size: 0
Size of extra inode fields: 32
EXTENTS:
(ETB0):777, (0-2):100-102, (4-5[u]):200-201, (6):300
"""


def test_extents_are_read() -> None:
    inode = read_stat(_STAT)
    assert inode is not None
    assert (inode.number, inode.type, inode.size_bytes) == (15, "regular", 40000)
    assert inode.blocks == BlockMap(True, ((0, 2, False), (4, 5, True), (6, 6, False)))


def test_holes_and_unwritten_extents_are_named() -> None:
    inode = read_stat(_STAT)
    assert inode is not None
    assert unreadable(inode.blocks, 40000, 4096) == [
        "hole at block 3", "unwritten extent at blocks 4-5", "hole at blocks 7-9",
    ]  # fmt: skip


def test_a_block_map_may_have_holes() -> None:
    inode = read_stat(_STAT.replace("0x80000", "0x0").replace("EXTENTS", "BLOCKS"))
    assert inode is not None
    assert unreadable(inode.blocks, 40000, 4096) == []


def test_a_short_link_shows_its_target() -> None:
    output = 'Inode: 14   Type: symlink    Mode:  0777   Flags: 0x0\nUser: 0   Size: 9\nFast link dest: "/boot/all"\n'
    inode = read_stat(output)
    assert inode is not None
    assert inode.target == "/boot/all"


def test_no_such_file() -> None:
    assert read_stat("/nonon: File not found by ext2_lookup \n") is None
