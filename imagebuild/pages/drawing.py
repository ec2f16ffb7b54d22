"""A disk to scale: places and widths in percent of the disk's size, so that the drawing fits any screen."""

from __future__ import annotations

import math
from dataclasses import dataclass

from imagebuild.pages.model import Area, DiskFacts

ROW_HEIGHT, _GAP = 44, 6
_AXIS_HEIGHT = 22
_THINNEST_PERCENT = 0.4
_TICKS = 5


@dataclass(frozen=True, slots=True)
class Box:
    """One stretch of an area: `x` and `width` in percent, `level` the row it is drawn in, `area` its number."""

    x: float
    width: float
    level: int
    area: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """A box as the page draws it: at least so wide that it is seen. `y` in pixels, `x` and `width` in percent."""

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
    boxes: tuple[Drawn, ...]
    ticks: tuple[Tick, ...]
    thin: bool


def boxes(disk: DiskFacts) -> tuple[Box, ...]:
    """Every stretch at its true place: partitions in the upper row, logical volumes beneath them."""
    whole = max(disk.size_bytes, 1)
    return tuple(
        Box(100 * stretch.offset_bytes / whole, 100 * stretch.size_bytes / whole, area.level, number)
        for number, area in enumerate(disk.areas)
        for stretch in area.stretches
    )


def draw(disk: DiskFacts) -> Drawing:
    """The drawing of the report's page."""
    found = boxes(disk)
    rows = 1 + max((area.level for area in disk.areas), default=0)
    thin = any(box.width < _THINNEST_PERCENT for box in found)
    drawn = tuple(_drawn(box, disk.areas[box.area]) for box in found)
    return Drawing(rows * (ROW_HEIGHT + _GAP) + _AXIS_HEIGHT, drawn, _ticks(disk.size_bytes), thin)


def _drawn(box: Box, area: Area) -> Drawn:
    x = min(max(box.x, 0.0), 100 - _THINNEST_PERCENT)
    width = min(max(box.width, _THINNEST_PERCENT), 100 - x)
    text = area.mountpoint if area.level and area.mountpoint else f"{area.name} {area.type} {area.mountpoint}"
    return Drawn(round(x, 3), box.level * (ROW_HEIGHT + _GAP), round(width, 3), box.area, text.strip())


def _ticks(size_bytes: int) -> tuple[Tick, ...]:
    """Powers of two along the disk, five at most."""
    if size_bytes <= 0:
        return ()
    step = 2 ** max(math.ceil(math.log2(size_bytes / _TICKS)), 0)
    return tuple(Tick(round(100 * at / size_bytes, 3), at) for at in range(0, size_bytes, step))
