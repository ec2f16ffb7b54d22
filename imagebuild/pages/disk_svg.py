"""A disk drawn to scale as an SVG file: its partitions in one bar, the logical volumes where they lie in a second one.

What is too narrow for words inside is named in the list below the bars, which has the same colours. drawing.py says
what lies where, for this file and for the report's page alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from imagebuild.filesystems.table import KNOWN
from imagebuild.formats.text import excerpt, size
from imagebuild.pages.drawing import Box, boxes
from imagebuild.pages.model import Area, DiskFacts

_WIDTH, _MARGIN, _BAR_HEIGHT, _GAP, _LINE = 960, 20, 64, 28, 22
_TOP = 56
# Readable on white, told apart by people who see few colours too (Okabe and Ito's set, lightened).
_COLOURS = {"LVM2_member": "#e8d9c5", **{name: item.colour for name, item in KNOWN.items()}}
_UNKNOWN, _FREE = "#ffffff", "#f4f4f4"
# Pixels that a character takes at this size; what has less room goes without words.
_CHARACTER = 8


def disk_svg(title: str, disk: DiskFacts) -> str:
    """The SVG's text. Names in `disk` may hold anything."""
    levels = 1 + max((area.level for area in disk.areas), default=0)
    bottom = _TOP + levels * (_BAR_HEIGHT + _GAP) - _GAP
    height = bottom + 24 + _LINE * len(disk.areas) + _MARGIN
    bars = [line for level in range(levels) for line in _bar(disk, level)]
    volumes = [_text(_MARGIN, _bar_top(1) - 8, "logical volumes", 12, "#555")] if levels > 1 else []
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
            f'viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" role="img">',
            f"<title>{_safe(title)}</title>",
            f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
            _text(_MARGIN, 34, title, 16, "#000"),
            *bars,
            *volumes,
            *_legend(disk, bottom + 24),
            "</svg>",
            "",
        ]
    )


def _bar_top(level: int) -> int:
    return _TOP + level * (_BAR_HEIGHT + _GAP)


def _bar(disk: DiskFacts, level: int) -> Iterator[str]:
    """The whole disk as free space, and the areas upon it."""
    whole = Box(0, 100, level, -1)
    yield _rectangle(whole, _FREE, f"not used: of {size(disk.size_bytes)}", dashed=True)
    for box in boxes(disk):
        if box.level == level:
            area = disk.areas[box.area]
            yield _rectangle(box, _colour(area), _about(area))
            yield from _inside(box, area)


def _inside(box: Box, area: Area) -> Iterator[str]:
    for number, line in enumerate((area.name, area.type, size(area.size_bytes))):
        if len(line) * _CHARACTER < _pixels(box.width):
            yield _text(_left(box) + 6, _bar_top(box.level) + 19 + 18 * number, line, 13, "#000")


def _pixels(percent: float) -> float:
    return percent * (_WIDTH - 2 * _MARGIN) / 100


def _left(box: Box) -> float:
    return _MARGIN + _pixels(box.x)


def _rectangle(box: Box, colour: str, title: str, *, dashed: bool = False) -> str:
    dash = ' stroke-dasharray="3 3"' if dashed else ""
    return (
        f'<rect x="{_left(box):.2f}" y="{_bar_top(box.level)}" width="{_pixels(box.width):.2f}" '
        f'height="{_BAR_HEIGHT}" fill="{colour}" stroke="#444" stroke-width="0.8"{dash}>'
        f"<title>{_safe(title)}</title></rect>"
    )


def _legend(disk: DiskFacts, top: int) -> Iterator[str]:
    for number, area in enumerate(disk.areas):
        y = top + _LINE * number
        yield f'<rect x="{_MARGIN}" y="{y}" width="14" height="14" fill="{_colour(area)}" stroke="#444"/>'
        yield _text(_MARGIN + 24, y + 12, _about(area), 13, "#000")


def _about(area: Area) -> str:
    place = f" at {size(area.stretches[0].offset_bytes)}" if area.stretches else ", not linear"
    label = f", LABEL={area.label}" if area.label else ""
    uuid = f", UUID={area.uuid}" if area.uuid else ""
    return f"{area.name}: {area.type}, {size(area.size_bytes)}{place}{label}{uuid}"


def _colour(area: Area) -> str:
    return _COLOURS.get(area.type, _UNKNOWN)


def _text(left: float, base: float, text: str, points: int, colour: str) -> str:
    return f'<text x="{left:.2f}" y="{base:.2f}" font-size="{points}" fill={quoteattr(colour)}>{_safe(text)}</text>'


def _safe(text: str) -> str:
    """XML allows no control characters, and a name may hold any."""
    return escape(excerpt(text))
