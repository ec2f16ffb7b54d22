"""Numbers and JSON that somebody else wrote, converted in one place, with one kind of error.

Python's own int() takes the digits of every script and ends above 4,300 of them with a ValueError of its own, float()
takes nan and inf, and json.loads ends in a RecursionError where brackets stand 1,000 deep.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

MOST = 2**64 - 1
"""The widest number field of any format has 64 bits: no size, number or time that an image can hold is larger."""

_DIGITS = {10: re.compile("[0-9]{1,25}"), 8: re.compile("[0-7]{1,25}"), 16: re.compile("[0-9A-Fa-f]{1,25}")}
_MOST_JSON_DEPTH = 64
_JSON_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]')


class ForeignError(ValueError):
    """What was written is no such value; the text says what was found, cut short."""


def number(text: str, *, base: int = 10, most: int = MOST) -> int:
    """The number that the ASCII digits of `text` write. Raises ForeignError for anything else, and above `most`."""
    if not _DIGITS[base].fullmatch(text):
        raise ForeignError(f"found {shortened(text)}: not a number")
    if (value := int(text, base)) > most:
        raise ForeignError(f"found {shortened(text)}: at most {most} is possible")
    return value


def number_or_none(text: str, *, base: int = 10, most: int = MOST) -> int | None:
    """As `number`, where a line that holds none is passed over."""
    try:
        return number(text, base=base, most=most)
    except ForeignError:
        return None


def whole(value: object, *, most: int = MOST) -> int:
    """A number that a library has parsed already, as a whole one. Raises ForeignError: nan, inf, a negative, a text."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ForeignError(f"found {shortened(str(value))}: not a number")
    if not 0 <= value <= most:
        raise ForeignError(f"found {value:.6g}: 0 to {most} is possible")
    return int(value)


def json_value(data: bytes | str) -> Any:
    """The value that JSON text in UTF-8 writes. Raises ForeignError, also for one nested deeper than 64 levels."""
    try:
        text = data if isinstance(data, str) else data.decode("utf-8")
        _check_depth(text)
        return json.loads(text, parse_constant=_refuse_constant)
    except ForeignError:
        raise
    except (ValueError, RecursionError) as error:
        raise ForeignError(f"not JSON: {shortened(str(error), 200)}") from None


def _check_depth(text: str) -> None:
    depth = 0
    for found in _JSON_BRACKETS.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found[0], 0)
        if depth > _MOST_JSON_DEPTH:
            raise ForeignError(f"not JSON that is read here: nested more than {_MOST_JSON_DEPTH} levels deep")


def _refuse_constant(text: str) -> None:
    raise ForeignError(f"not JSON: found {text}, and JSON has no such number")


def shortened(text: str, most: int = 40) -> str:
    """The text as Python would write it, cut to `most` characters."""
    return ascii(text if len(text) <= most else text[: most - 1] + "…")
