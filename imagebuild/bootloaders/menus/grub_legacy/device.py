"""A device as GRUB 0.97 numbers it."""

from __future__ import annotations

from dataclasses import dataclass

HARD_DISK = 0x80
WHOLE = 0xFF
NO_SUB_PARTITION = 0xFF
# A partition that no check lets pass: what the shell begins with.
INSANE = -1


@dataclass(frozen=True, slots=True)
class Device:
    """A drive in the BIOS's numbering (0x80 is hd0), a partition (0xFF: all of it), a BSD sub-partition (0xFF: none).

    `drive` None: the network, which is what PV-GRUB has before the first `root` line.
    """

    drive: int | None
    partition: int = WHOLE
    sub: int = NO_SUB_PARTITION

    @property
    def is_hard_disk(self) -> bool:
        return self.drive is not None and self.drive >= HARD_DISK

    @property
    def disk(self) -> int:
        """N of hdN."""
        assert self.drive is not None
        return self.drive - HARD_DISK

    @property
    def number(self) -> int | None:
        """The partition's number; None for the whole disk."""
        return None if self.partition == WHOLE else self.partition

    def __str__(self) -> str:
        if self.drive is None:
            return "no device"
        name = f"hd{self.disk}" if self.is_hard_disk else f"fd{self.drive}"
        return f"({name}{'' if self.partition == WHOLE else f',{self.partition}'})"
