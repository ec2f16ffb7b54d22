"""Where the blocks of a file lie, from what debugfs' `stat` prints, and which of them GRUB 0.97 cannot read.

Source of what 0.97 does: its fsys_ext2fs.c with the extent patch, and boots of the genuine PV-GRUB. With extents it
knows no holes: behind an extent's end it answers Error 16, and in place of a hole of one block it takes the next
physical block, in silence. The bit that marks an extent as unwritten is taken for a part of its length. In a block
map a zero is read as a block of zeros, which is right.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_FIELD = re.compile(
    r"^Inode: (?P<inode>\d+)\s+Type: (?P<type>[^\n]+?)\s+Mode:\s+(?P<mode>\d+)\s+Flags: 0x(?P<flags>[0-9a-f]+)", re.M
)
_SIZE = re.compile(r"\bSize: (\d+)\n")
_FAST_LINK = re.compile(r'^Fast link dest: "(?P<target>.*)"$', re.M | re.S)
_RUN = re.compile(r"\((?P<first>\d+)(?:-(?P<last>\d+))?(?P<unwritten>\[u\])?\):")
_EXTENTS_FLAG, _INLINE_FLAG = 0x80000, 0x10000000


@dataclass(frozen=True, slots=True)
class BlockMap:
    """`runs`: (first block, last block, unwritten) in the file's own order; `extents`: False for a block map."""

    extents: bool
    runs: tuple[tuple[int, int, bool], ...]


@dataclass(frozen=True, slots=True)
class Inode:
    """`type` is debugfs' word: regular, directory, symlink, FIFO … `target` is a short symlink's target, else empty.
    `mode`: its permissions alone."""

    number: int
    type: str
    size_bytes: int
    inline: bool
    target: str
    blocks: BlockMap
    mode: int = 0


def read_stat(output: str) -> Inode | None:
    """The inode that debugfs' `stat` describes; None when the output is of another kind (no such file)."""
    field = _FIELD.search(output)
    size = _SIZE.search(output, field.end()) if field else None
    if field is None or size is None:
        return None
    flags = int(field["flags"], 16)
    link = _FAST_LINK.search(output)
    marker = re.search(r"^(EXTENTS|BLOCKS):$", output, re.M)
    runs = tuple(
        (int(run["first"]), int(run["last"] or run["first"]), run["unwritten"] is not None)
        for run in _RUN.finditer(output, marker.end() if marker else len(output))
    )
    blocks = BlockMap(bool(flags & _EXTENTS_FLAG), runs)
    target = link["target"] if link else ""
    number, size_bytes, mode = int(field["inode"]), int(size[1]), int(field["mode"], 8)
    return Inode(number, field["type"], size_bytes, bool(flags & _INLINE_FLAG), target, blocks, mode)


def unreadable(blocks: BlockMap, size_bytes: int, block_bytes: int) -> list[str]:
    """What 0.97 cannot follow: `hole at block 18`, `unwritten extent at blocks 40-47`; empty when all is well.

    A block map's holes are read rightly and are no finding.
    """
    if not blocks.extents:
        return []
    findings = []
    expected = 0
    for first, last, unwritten in sorted(blocks.runs):
        if first > expected:
            findings.append(f"hole at {_blocks(expected, first - 1)}")
        if unwritten:
            findings.append(f"unwritten extent at {_blocks(first, last)}")
        expected = max(expected, last + 1)
    end = -(-size_bytes // block_bytes)
    if expected < end:
        findings.append(f"hole at {_blocks(expected, end - 1)}")
    return findings


def _blocks(first: int, last: int) -> str:
    return f"block {first}" if first == last else f"blocks {first}-{last}"
