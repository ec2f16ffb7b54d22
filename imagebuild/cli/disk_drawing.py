"""A disk drawn to scale, as SVG: its partitions in one bar, the logical volumes where they lie in a second one.

What is too narrow for words inside is named in the list below the bars, which has the same colours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from imagebuild.filesystems.table import KNOWN
from imagebuild.formats.text import size
from imagebuild.image.probe import printable

if TYPE_CHECKING:
    from imagebuild.verify.inspection import Inspection, Part

_WIDTH, _MARGIN, _BAR_HEIGHT, _GAP, _LINE = 960, 20, 64, 28, 22
_TOP = 56
# Readable on white, told apart by people who see few colours too (Okabe and Ito's set, lightened).
_COLOURS = {"LVM2_member": "#e8d9c5", **{name: item.colour for name, item in KNOWN.items()}}
_UNKNOWN, _FREE = "#ffffff", "#f4f4f4"
# Pixels that a character takes at this size; what has less room goes without words.
_CHARACTER = 8


def drawing(found: Inspection) -> str:
    """The SVG's text."""
    solid = [part for part in found.parts if part.kind != "volume"]
    volumes = [part for part in found.parts if part.kind == "volume"]
    bars = [*_bar(found, solid, _TOP)]
    bottom = _TOP + _BAR_HEIGHT
    if volumes:
        bars += _bar(found, volumes, bottom + _GAP)
        bars.append(_text(_MARGIN, bottom + _GAP - 8, "logical volumes", 12, "#555"))
        bottom += _GAP + _BAR_HEIGHT
    legend = [*_legend(found.parts, bottom + 24)]
    height = bottom + 24 + _LINE * len(found.parts) + _MARGIN
    table = {"dos": "MBR", "gpt": "GPT", None: "no partition table"}.get(found.table, found.table)
    title = f"{Path(found.image).name}: {size(found.size_bytes)}, {found.layout}, {table}"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
            f'viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" role="img">',
            f"<title>{_safe(title)}</title>",
            f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
            _text(_MARGIN, 34, title, 16, "#000"),
            *bars,
            *legend,
            "</svg>",
            "",
        ]
    )


def _bar(found: Inspection, parts: Sequence[Part], top: int) -> Iterator[str]:
    """The whole disk as free space, and the parts upon it."""
    scale = (_WIDTH - 2 * _MARGIN) / max(found.size_bytes, 1)
    yield _rectangle(
        _MARGIN, top, found.size_bytes * scale, _FREE, f"not used: of {size(found.size_bytes)}", dashed=True
    )
    for part in parts:
        for stretch in part.stretches:
            left, width = _MARGIN + stretch.offset_bytes * scale, stretch.size_bytes * scale
            yield _rectangle(left, top, width, _colour(part), _about(part))
            for number, line in enumerate((part.name, _kind(part), size(part.size_bytes))):
                if len(line) * _CHARACTER < width:
                    yield _text(left + 6, top + 19 + 18 * number, line, 13, "#000")


def _rectangle(left: float, top: int, width: float, colour: str, title: str, *, dashed: bool = False) -> str:
    dash = ' stroke-dasharray="3 3"' if dashed else ""
    return (
        f'<rect x="{left:.2f}" y="{top}" width="{width:.2f}" height="{_BAR_HEIGHT}" fill="{colour}" '
        f'stroke="#444" stroke-width="0.8"{dash}><title>{_safe(title)}</title></rect>'
    )


def _legend(parts: Sequence[Part], top: int) -> Iterator[str]:
    for number, part in enumerate(parts):
        y = top + _LINE * number
        yield f'<rect x="{_MARGIN}" y="{y}" width="14" height="14" fill="{_colour(part)}" stroke="#444"/>'
        yield _text(_MARGIN + 24, y + 12, _about(part), 13, "#000")


def _about(part: Part) -> str:
    place = f" at {size(part.stretches[0].offset_bytes)}" if part.stretches else ", not linear"
    label = f", LABEL={part.filesystem.label}" if part.filesystem and part.filesystem.label else ""
    uuid = f", UUID={part.filesystem.uuid}" if part.filesystem and part.filesystem.uuid else ""
    return f"{part.name}: {_kind(part)}, {size(part.size_bytes)}{place}{label}{uuid}"


def _kind(part: Part) -> str:
    return part.filesystem.type if part.filesystem else "nothing known"


def _colour(part: Part) -> str:
    return _COLOURS.get(_kind(part), _UNKNOWN)


def _text(left: float, base: float, text: str, points: int, colour: str) -> str:
    return f'<text x="{left:.2f}" y="{base:.2f}" font-size="{points}" fill={quoteattr(colour)}>{_safe(text)}</text>'


def _safe(text: str) -> str:
    """XML allows no control characters, and a name may hold any."""
    return escape(printable(text))
