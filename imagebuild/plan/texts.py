"""The small files that a plan writes into the tree."""

from __future__ import annotations

from dataclasses import dataclass

# fstab(5): the sixth field. The root is checked first; XFS and Btrfs have nothing to check at boot.
_CHECKED_AT_BOOT = ("ext2", "ext3", "ext4", "reiserfs")


@dataclass(frozen=True, slots=True)
class FstabLine:
    """`device` as fstab names it (UUID=… or /dev/VG/LV); `mount` None for swap."""

    device: str
    mount: str | None
    type: str
    options: str | None


def fstab(lines: list[FstabLine]) -> str:
    """/etc/fstab, parents before children."""
    rows = [("# <file system>", "<mount point>", "<type>", "<options>", "<dump>", "<pass>")]
    for line in sorted(lines, key=lambda line: (line.mount is None, line.mount or "")):
        if line.mount is None:
            rows.append((line.device, "none", "swap", line.options or "sw", "0", "0"))
            continue
        check = ("1" if line.mount == "/" else "2") if line.type in _CHECKED_AT_BOOT else "0"
        rows.append((line.device, line.mount, line.type, line.options or "defaults", "0", check))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[5]]) + "\n"
        for row in rows
    )
