"""Mutations of bytes: the same for the same seed, so that a fault can be had again."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

# What has made readers stumble: numbers beyond their fields, digits of other scripts, paths out, text that is none.
_TOKENS = (
    b"9" * 5000, b"-1", b"4294967295", b"18446744073709551616", b"nan", b"inf", b"-inf", b"1e999", "٣".encode(), b"0x",
    b"null", b"[" * 1500, b'{"a":' * 1500, b"5", b"true", b"../../", b"/", b"\0", b"\xff\xfe", b"\x1b[2J",
    "\u202e".encode(), b"\r", b"\n", b"%n", b"a" * 300, b"\\x", b"GNU.sparse.major=1\n", b"27 mtime=nan\n",
)  # fmt: skip
_FIELDS = (
    b"\0",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\xff" * 4,
    b"\x7f\xff\xff\xff",
    b"\xff" * 8,
    b"\0" * 8,
    b"7" * 11,
    b"\x80" * 12,
)
_NUMBER = re.compile(rb"[0-9]+")

Mutation = Callable[[random.Random, bytearray], bytearray]


def mutated(seed: bytes, number: int) -> bytes:
    """The mutation `number` of `seed`: one to six changes, most of them near one another."""
    dice = random.Random(number)
    data = bytearray(seed)
    for _change in range(dice.choice((1, 1, 1, 2, 3, 6))):
        data = dice.choice(_MUTATIONS)(dice, data) if data else bytearray(dice.choice(_TOKENS))
    return bytes(data)


def _at(dice: random.Random, data: bytearray) -> int:
    """Any place; every other time near the start, where headers are."""
    return dice.randrange(min(len(data), 600) if dice.random() < 0.5 else len(data))


def _flip(dice: random.Random, data: bytearray) -> bytearray:
    data[_at(dice, data)] ^= 1 << dice.randrange(8)
    return data


def _byte(dice: random.Random, data: bytearray) -> bytearray:
    data[_at(dice, data)] = dice.randrange(256)
    return data


def _field(dice: random.Random, data: bytearray) -> bytearray:
    value, at = dice.choice(_FIELDS), _at(dice, data)
    data[at : at + len(value)] = value
    return data


def _token(dice: random.Random, data: bytearray) -> bytearray:
    at = _at(dice, data)
    return data[:at] + dice.choice(_TOKENS) + data[at:]


def _number(dice: random.Random, data: bytearray) -> bytearray:
    """A number that is written in digits, replaced."""
    found = list(_NUMBER.finditer(data))
    if not found:
        return _byte(dice, data)
    match = dice.choice(found)
    return data[: match.start()] + dice.choice(_TOKENS) + data[match.end() :]


def _cut(dice: random.Random, data: bytearray) -> bytearray:
    return data[: _at(dice, data)]


def _remove(dice: random.Random, data: bytearray) -> bytearray:
    at = _at(dice, data)
    return data[:at] + data[at + dice.randrange(1, 600) :]


def _repeat(dice: random.Random, data: bytearray) -> bytearray:
    at, size = _at(dice, data), dice.randrange(1, 600)
    return data[:at] + data[at : at + size] * dice.choice((2, 3, 100)) + data[at + size :]


def _move(dice: random.Random, data: bytearray) -> bytearray:
    one, other, size = _at(dice, data), _at(dice, data), dice.randrange(1, 600)
    data[one : one + size] = data[other : other + size]
    return data


_MUTATIONS: tuple[Mutation, ...] = (_flip, _byte, _field, _token, _number, _cut, _remove, _repeat, _move)
