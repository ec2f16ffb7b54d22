"""Every refusal of a plan at once, as a recipe's mistakes are: nobody likes to be told one thing at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, overload

from imagebuild.errors import PlanError

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")


@overload
def all_at_once(first: Callable[[], A], second: Callable[[], B], /) -> tuple[A, B]: ...


@overload
def all_at_once(
    first: Callable[[], A], second: Callable[[], B], third: Callable[[], C], fourth: Callable[[], D], /
) -> tuple[A, B, C, D]: ...


@overload
def all_at_once(*parts: Callable[[], object]) -> tuple[object, ...]: ...


def all_at_once(*parts: Callable[[], object]) -> tuple[object, ...]:
    """What the parts of a plan return, which must not depend on each other. Raises one PlanError of all refusals."""
    found: dict[str, PlanError] = {}
    made = []
    for part in parts:
        try:
            made.append(part())
        except PlanError as error:
            for refusal in (error, *error.others):
                found.setdefault(refusal.brief, refusal)
    if found:
        first, *others = found.values()
        raise PlanError(
            first.key,
            first.message,
            details=first.details,
            resolution=first.resolution,
            others=tuple(PlanError(e.key, e.message, details=e.details, resolution=e.resolution) for e in others),
        )
    return tuple(made)
