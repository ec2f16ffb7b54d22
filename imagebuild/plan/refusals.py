"""Every refusal of a plan at once, as a recipe's mistakes are: nobody likes to be told one thing at a time."""

from __future__ import annotations

from collections.abc import Callable

from imagebuild.errors import PlanError


def all_at_once(*checks: Callable[[], object]) -> None:
    """Carry out the checks, which must not depend on each other. Raises one PlanError that holds them all."""
    found: dict[str, PlanError] = {}
    for check in checks:
        try:
            check()
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
