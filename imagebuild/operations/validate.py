"""Every mistake of every recipe, those included that only a plan shows (what no loader could boot)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from imagebuild.errors import ImagebuildError
from imagebuild.operations.recipes import named, preliminary_plan, reader


@dataclass(frozen=True, slots=True)
class ValidateRequest:
    """`settings`: variables of the recipes; `locked`: each has to match its lock."""

    recipes: tuple[Path, ...]
    settings: Mapping[str, str]
    locked: bool = False


def validate_recipes(request: ValidateRequest) -> Iterator[tuple[Path, ImagebuildError | None]]:
    """Each recipe with what is wrong with it (None: nothing), one after the other."""
    load = reader(locked=request.locked)
    for path in request.recipes:
        try:
            preliminary_plan(load(path, request.settings))
        except ImagebuildError as error:
            yield path, named(error, path)
        else:
            yield path, None
