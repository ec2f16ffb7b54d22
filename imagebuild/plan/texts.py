"""The small files that a plan writes into the tree."""

from __future__ import annotations

from dataclasses import dataclass

from imagebuild.filesystems.table import FILESYSTEMS
from imagebuild.vocabulary import FilesystemType


@dataclass(frozen=True, slots=True)
class FstabLine:
    """`device` as fstab names it (UUID=… or /dev/VG/LV); `mount` None for swap."""

    device: str
    mount: str | None
    type: FilesystemType
    options: str | None


def fstab(lines: list[FstabLine]) -> str:
    """/etc/fstab, parents before children."""
    rows = [("# <file system>", "<mount point>", "<type>", "<options>", "<dump>", "<pass>")]
    for line in sorted(lines, key=lambda line: (line.mount is None, line.mount or "")):
        if line.mount is None:
            rows.append((line.device, "none", "swap", line.options or "sw", "0", "0"))
            continue
        # fstab(5), the sixth field: the root is checked first.
        check = ("1" if line.mount == "/" else "2") if FILESYSTEMS[line.type].is_checked_at_boot else "0"
        rows.append((line.device, line.mount, line.type, line.options or "defaults", "0", check))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[5]]) + "\n"
        for row in rows
    )
