"""A plot as SVG: bars for each tool, grouped; readable on light and dark pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

_ROW, _LEFT, _WIDTH, _TOP = 22, 170, 760, 34
_OURS, _OTHERS, _LIMIT = "#1f77b4", "#9aa0a6", "#d9b44a"


def bars(groups: Mapping[str, Sequence[tuple[str, float]]], limits: Sequence[str] = ()) -> str:
    """Seconds as horizontal bars; each group (its title is the key) has a scale of its own. Tools in `limits` are no
    competitors, but what cannot be beaten."""
    parts: list[str] = []
    y = 0
    for title, values in groups.items():
        y += _TOP
        parts.append(f'<text x="0" y="{y - 10}" font-weight="bold">{escape(title)}</text>')
        longest = max((seconds for _tool, seconds in values), default=1.0)
        for tool, seconds in values:
            color = _OURS if tool == "imagebuild" else _LIMIT if tool in limits else _OTHERS
            length = max((_WIDTH - _LEFT - 70) * seconds / longest, 1)
            parts.append(f'<text x="{_LEFT - 8}" y="{y + 15}" text-anchor="end">{escape(tool)}</text>')
            parts.append(f'<rect x="{_LEFT}" y="{y + 3}" width="{length:.1f}" height="{_ROW - 6}" fill="{color}"/>')
            parts.append(f'<text x="{_LEFT + length + 6:.1f}" y="{y + 15}">{seconds:.1f} s</text>')
            y += _ROW
        y += 8
    return _document(parts, y)


def lines(title: str, unit: str, series: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Seconds over a size or a number, logarithmic both ways would hide what grows: both axes are plain."""
    most_x = max((x for points in series.values() for x, _y in points), default=1.0)
    most_y = max((y for points in series.values() for _x, y in points), default=1.0)
    height, base = 260, 290
    parts = [f'<text x="0" y="20" font-weight="bold">{escape(title)}</text>']
    parts.append(f'<path d="M60 30V{base}H{_WIDTH - 160}" fill="none" stroke="#888"/>')
    parts.append(f'<text x="54" y="42" text-anchor="end">{most_y:.0f} s</text>')
    ticks = sorted({x for points in series.values() for x, _y in points})
    for tick in ticks:
        x = 60 + (_WIDTH - 240) * tick / most_x
        parts.append(f'<text x="{x:.1f}" y="{base + 18}" text-anchor="middle">{tick:g}</text>')
    parts.append(f'<text x="{_WIDTH - 150}" y="{base + 18}">{escape(unit)}</text>')
    for tool, points in series.items():
        color = _OURS if tool == "imagebuild" else _OTHERS
        places = [(60 + (_WIDTH - 240) * x / most_x, base - (height - 20) * y / most_y) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>' for x, y in places]
        x, y = places[-1]
        parts.append(f'<text x="{x + 8:.1f}" y="{y + 4:.1f}">{escape(tool)} {points[-1][1]:.1f} s</text>')
    return _document(parts, base + 26)


def _document(parts: Sequence[str], height: int) -> str:
    style = "text{font:13px sans-serif;fill:#202124}"
    background = f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">'
    return f"{head}<style>{style}</style>{background}{''.join(parts)}</svg>\n"
