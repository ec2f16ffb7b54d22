"""A disk to scale: places and widths in percent of the disk's size, so that the drawing fits any screen."""

from __future__ import annotations

import math
from dataclasses import dataclass

from imagebuild.pages.model import DiskFacts

ROW_HEIGHT, _GAP = 44, 6
_AXIS_HEIGHT = 22
_THINNEST_PERCENT = 0.4
_TICKS = 5


@dataclass(frozen=True, slots=True)
class Box:
    """`x` and `width` in percent, `y` in pixels. `area`: its number in DiskFacts.areas."""

    x: float
    y: int
    width: float
    area: int
    text: str


@dataclass(frozen=True, slots=True)
class Tick:
    """`x` in percent."""

    x: float
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Drawing:
    """`height` in pixels. `thin`: some boxes are drawn wider than they are, to be seen at all."""

    height: int
    boxes: tuple[Box, ...]
    ticks: tuple[Tick, ...]
    thin: bool


def draw(disk: DiskFacts) -> Drawing:
    """Partitions in the upper row, logical volumes beneath them, at their true places."""
    boxes: list[Box] = []
    thin = False
    whole = max(disk.size_bytes, 1)
    for number, area in enumerate(disk.areas):
        for stretch in area.stretches:
            share = 100 * min(stretch.size_bytes / whole, 1.0)
            thin = thin or share < _THINNEST_PERCENT
            x = min(max(100 * stretch.offset_bytes / whole, 0.0), 100 - _THINNEST_PERCENT)
            width = min(max(share, _THINNEST_PERCENT), 100 - x)
            text = area.mountpoint if area.level and area.mountpoint else f"{area.name} {area.type} {area.mountpoint}"
            boxes.append(Box(round(x, 3), area.level * (ROW_HEIGHT + _GAP), round(width, 3), number, text.strip()))
    rows = 1 + max((area.level for area in disk.areas), default=0)
    return Drawing(rows * (ROW_HEIGHT + _GAP) + _AXIS_HEIGHT, tuple(boxes), _ticks(disk.size_bytes), thin)


def _ticks(size_bytes: int) -> tuple[Tick, ...]:
    """Powers of two along the disk, five at most."""
    if size_bytes <= 0:
        return ()
    step = 2 ** max(math.ceil(math.log2(size_bytes / _TICKS)), 0)
    return tuple(Tick(round(100 * at / size_bytes, 3), at) for at in range(0, size_bytes, step))
