"""What the model refuses, in our words: what was found, what is allowed, what to do.

pydantic says where (`loc`) and what kind of mistake it is; what is allowed there comes from the model's JSON Schema.
The value found is shown as the user wrote it, but never where it might be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as MappingABC
from typing import Any

from pydantic import ValidationError

from imagebuild.errors import Problem
from imagebuild.recipe.allowed import KEY_ITSELF, Allowed, homes_of
from imagebuild.recipe.nearest import did_you_mean
from imagebuild.recipe.tree import Entry, Mapping, Node, Place, Scalar, child, dotted, plain, shortened, shown

_SECRET = re.compile(r"passw|secret|hash", re.IGNORECASE)
_WRONG_KIND = re.compile(
    r"(string|bool|int|float|model|dict|list|tuple|time_delta)_(type|parsing|from_float|parsing_size)"
)
_LIMITS = {"greater_than": ("more than", "gt"), "greater_than_equal": ("at least", "ge"),
           "less_than": ("less than", "lt"), "less_than_equal": ("at most", "le")}  # fmt: skip


def problems_of(error: ValidationError, root: Mapping) -> list[Problem]:
    """Every mistake that the model found in `root`, in no particular order."""
    details = error.errors(include_url=False, include_input=False)
    places = [detail["loc"] for detail in details]
    return [
        _problem(detail["type"], detail["loc"], detail.get("ctx", {}), detail["msg"], root)
        for detail in details
        # pydantic counts only a list's valid items: not a second mistake.
        if not (detail["type"] == "too_short" and any(_is_below(other, detail["loc"]) for other in places))
    ]


def _is_below(steps: tuple[int | str, ...], parent: tuple[int | str, ...]) -> bool:
    return len(steps) > len(parent) and steps[: len(parent)] == parent


class _Spot:
    """The place in the tree that pydantic's steps lead to. Steps that are no keys (a union's tags) are left out."""

    def __init__(self, root: Mapping, loc: tuple[int | str, ...]) -> None:
        self.steps: list[str | int] = []
        self.entry = Entry(root.place, root)
        for step in loc:
            if (entry := child(self.entry.node, step)) is not None:
                self.steps.append(step)
                self.entry = entry

    @property
    def node(self) -> Node:
        return self.entry.node

    @property
    def place(self) -> Place:
        return self.node.place if isinstance(self.node, Scalar) else self.entry.place

    def found(self) -> str:
        """The value as the user wrote it, shortened; nothing of what may be a secret."""
        if any(isinstance(step, str) and _SECRET.search(step) for step in self.steps):
            return "a value that is not shown here"
        if isinstance(self.node, Scalar) and isinstance(self.node.value, (int, float)):
            number = not isinstance(self.node.value, bool)
            return f"the number {shortened(self.node.source)}" if number else shortened(self.node.source)
        value = plain(self.node)
        if value in ([], {}):
            return f"an empty {'list' if value == [] else 'mapping'}"
        return shown(value)


def _problem(kind: str, loc: tuple[int | str, ...], context: MappingABC[str, Any], text: str, root: Mapping) -> Problem:
    spot = _Spot(root, loc)
    allowed = Allowed.at(loc)
    if kind == "missing":
        name = str(loc[-1])
        return spot.place.problem(dotted([*spot.steps, name]), f"missing: add {name}{_such(allowed)}")
    if kind == "extra_forbidden":
        known = Allowed.at(loc[:-1]).keys()
        name = str(loc[-1])
        message = f"unknown key {shortened(name)!r}; allowed: {', '.join(known)}{_meant(name, known)}"
        return spot.entry.place.problem(dotted(spot.steps), message)
    if loc and loc[-1] == KEY_ITSELF:
        name = str(spot.steps[-1])
        return spot.entry.place.problem(
            dotted(spot.steps), f"found the key {shown(name)}; {_limit(kind, context, text, allowed)}"
        )
    return spot.place.problem(dotted(spot.steps), _about_value(kind, spot, allowed, context, text))


def _meant(name: str, known: list[str]) -> str:
    """A key of another level, else a misspelt one of this."""
    homes = homes_of(name)
    if 1 <= len(homes) <= 2:
        return f"; {name} belongs {' or '.join(f'under {home}' if home else 'at the top level' for home in homes)}"
    return did_you_mean(name, known)


def _about_value(kind: str, spot: _Spot, allowed: Allowed, context: MappingABC[str, Any], text: str) -> str:
    found = spot.found()
    if kind in ("value_error", "assertion_error"):
        said = text.removeprefix("Value error, ")
        return f"found {found}; {said}" if isinstance(spot.node, Scalar) else said
    if kind in ("literal_error", "enum"):
        words = allowed.words()
        near = did_you_mean(spot.node.source, words) if isinstance(spot.node, Scalar) else ""
        return f"found {found}; allowed: {', '.join(words)}{near}"
    if _WRONG_KIND.fullmatch(kind):
        needed = allowed.needed()
        needed = f"a value {needed}" if needed.startswith("such as") else needed
        return f"found {found}; needed: {needed}{_quoting(kind, spot.node)}"
    return f"found {found}; {_limit(kind, context, text, allowed)}"


def _limit(kind: str, context: MappingABC[str, Any], text: str, allowed: Allowed) -> str:
    """What a value of the right kind has to keep to."""
    if kind in _LIMITS:
        words, key = _LIMITS[kind]
        number = re.search(r"-?\d[\d.]*", str(context[key]))  # pydantic gives a duration as "datetime.timedelta(0)"
        return f"{words} {number[0] if number else context[key]} is allowed"
    match kind:
        case "string_pattern_mismatch":
            return allowed.pattern_words() or f"it must match {context['pattern']}"
        case "byte_size" | "byte_size_unit":
            return "a size is a number with a unit, such as 256MiB or 2GiB"
        case "string_too_short" | "string_too_long" | "too_short" | "too_long":
            what = "character" if kind.startswith("string") else "item"
            short = kind.endswith("short")
            count = context["min_length"] if short else context["max_length"]
            return f"at {'least' if short else 'most'} {count} {what}{'s' if count != 1 else ''}"
        case _:
            return text[:1].lower() + text[1:]


def _quoting(kind: str, node: Node) -> str:
    if kind == "string_type" and isinstance(node, Scalar) and node.value is not None:
        return f'; write it in quotes: "{shortened(node.source)}"'
    return ""


def _such(allowed: Allowed) -> str:
    needed = allowed.needed()
    return f", {needed}" if needed else ""
