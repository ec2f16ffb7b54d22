"""A recipe's nights as numbers and as small drawings: inline SVG, nothing to load."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from imagebuild.nightly.model import Night, Result, State

_WIDTH, _HEIGHT, _MARGIN = 240, 56, 6
SHOWN_NIGHTS = 60


@dataclass(frozen=True, slots=True)
class Trend:
    """One measure over the nights, the oldest first; None where a night has none. `unit` is "bytes" or "seconds"."""

    title: str
    unit: str
    values: tuple[float | None, ...]

    @property
    def last(self) -> float | None:
        return next((value for value in reversed(self.values) if value is not None), None)

    @property
    def before(self) -> float | None:
        known = [value for value in self.values if value is not None]
        return known[-2] if len(known) > 1 else None


@dataclass(frozen=True, slots=True)
class Story:
    """One recipe over the nights. `results` has None for a night in which it took no part."""

    result: Result
    results: tuple[Result | None, ...]
    trends: tuple[Trend, ...]


def stories(nights: Sequence[Night]) -> list[Story]:
    """Every recipe of the last night, the worst first."""
    nights = nights[-SHOWN_NIGHTS:]
    by_night = [{result.name: result for result in night.results} for night in nights]
    told = [
        Story(result, results := tuple(night.get(result.name) for night in by_night), _trends(results))
        for result in nights[-1].results
    ]
    return sorted(
        told, key=lambda story: (-story.result.exit_code, story.result.state == State.UNCHANGED, story.result.name)
    )


def _trends(results: Sequence[Result | None]) -> tuple[Trend, ...]:
    def values(of: Callable[[Result], float]) -> tuple[float | None, ...]:
        return tuple((of(result) or None) if result else None for result in results)

    machines = sorted({machine for result in results if result for machine in result.boot_seconds})
    trends = [
        Trend("Size on disk", "bytes", values(lambda result: result.real_bytes)),
        Trend("Build", "seconds", values(lambda result: result.build_seconds)),
    ]
    for machine in machines:
        trends.append(
            Trend(f"Boot ({machine})", "seconds", values(lambda result, name=machine: result.boot_seconds.get(name, 0)))  # type: ignore[misc]
        )
    return tuple(trend for trend in trends if trend.last is not None)


def line(trend: Trend) -> Markup:
    """The trend as a line from zero up; a gap where a night has no value."""
    known = [value for value in trend.values if value is not None]
    top = max(known, default=0) or 1
    step = (_WIDTH - 2 * _MARGIN) / max(len(trend.values) - 1, 1)

    def point(index: int, value: float) -> str:
        y = _HEIGHT - _MARGIN - value / top * (_HEIGHT - 2 * _MARGIN)
        return f"{_MARGIN + index * step:.1f},{y:.1f}"

    pieces: list[list[str]] = [[]]
    for index, value in enumerate(trend.values):
        if value is None:
            pieces.append([])
        else:
            pieces[-1].append(point(index, value))
    drawn = "".join(f'<polyline points="{" ".join(piece)}"/>' for piece in pieces if len(piece) > 1)
    dots = [f'<circle cx="{x}" cy="{y}" r="2"/>' for piece in pieces for x, y in [one.split(",") for one in piece]]
    if dots:
        dots[-1] = dots[-1].replace('r="2"', 'r="3.5" class="last"')
    ground = f'<line x1="0" x2="{_WIDTH}" y1="{_HEIGHT - 1}" y2="{_HEIGHT - 1}"/>'
    # only numbers and our own words: nothing here came from outside
    return Markup(
        f'<svg class="trend" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">{ground}{drawn}{"".join(dots)}</svg>'
    )
