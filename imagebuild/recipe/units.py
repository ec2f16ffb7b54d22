"""Sizes, shares and durations as a user writes them: `256MiB`, `rest`, `20%`, `5min`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ByteSize,
    Discriminator,
    Field,
    PlainSerializer,
    Tag,
    WithJsonSchema,
)

_DURATION = re.compile(r"(?P<number>[0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(?P<unit>s|sec|min|m|h)?")
_SECONDS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, None: 1}
_PERCENT = re.compile(r"(?P<number>[0-9]{1,9}(?:\.[0-9]{1,9})?)\s*%")

_LONGEST = 40  # characters of a size: with some hundred digits it would be more than a float holds
_MOST_BYTES = 2**63 - 1  # the largest offset in a file (off_t)


def _duration(value: Any) -> Any:
    if isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())):
        return timedelta(seconds=float(match["number"]) * _SECONDS[match["unit"]])
    if isinstance(value, str):
        raise ValueError("a duration is a number with a unit, such as 90s, 5min or 1h")
    return value


def _percent(value: Any) -> Any:
    if isinstance(value, str) and (match := _PERCENT.fullmatch(value.strip())):
        return float(match["number"])
    raise ValueError("a share is a percentage, such as 20%")


def _size(value: Any) -> Any:
    if isinstance(value, (int, float)):
        wrong = isinstance(value, bool) or value <= 0
    else:  # \d and float() take the digits of every script, and a reader of the recipe may not see which
        wrong = isinstance(value, str) and (len(value) > _LONGEST or not value.isascii())
    if wrong:
        raise ValueError("a size is a positive number of bytes, or a number with a unit, such as 256MiB or 2GiB")
    return value


def _within_a_file(value: ByteSize) -> ByteSize:
    if value > _MOST_BYTES:
        raise ValueError("a size is less than 8EiB: no file is larger")
    return value


Size = Annotated[
    ByteSize,
    BeforeValidator(_size),
    AfterValidator(_within_a_file),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^\s*\d*\.?\d+\s*(\w+)?\s*$"},
                {"type": "integer", "minimum": 512},
            ],
            "examples": ["256MiB", "2GiB"],
        }
    ),
]
"""Bytes. Binary units (KiB, MiB, GiB) and decimal ones (KB, MB, GB) mean what they say (pydantic.ByteSize)."""

Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    Field(gt=timedelta(0)),
    PlainSerializer(lambda value: f"{value.total_seconds():g}s", return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?\s*(s|sec|min|m|h)?$", "examples": ["300s", "5min"]}),
]

Percent = Annotated[
    float,
    BeforeValidator(_percent),
    Field(ge=0, le=400),
    PlainSerializer(lambda value: f"{value:g}%", return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?\s*%$", "examples": ["20%"]}),
]

Share = Annotated[
    float,
    BeforeValidator(_percent),
    Field(gt=0, le=100),
    PlainSerializer(lambda value: f"{value:g}%", return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?\s*%$", "examples": ["50%"]}),
]
"""A percentage of what is left after all fixed sizes."""

Rest = Literal["rest"]
"""All that is left after every fixed size and percentage."""


def _kind_of_extent(value: Any) -> str:
    if isinstance(value, str) and value.strip().endswith("%"):
        return "share"
    return "rest" if value == "rest" else "size"


Extent = Annotated[
    Annotated[Size, Tag("size")] | Annotated[Share, Tag("share")] | Annotated[Rest, Tag("rest")],
    Discriminator(_kind_of_extent),
]
"""How large a partition or a logical volume is: bytes (an int), a share of what is left (a float), or `rest`.

The tag is chosen before validation, so that a mistake gives one message and not one for each alternative.
"""
