"""Numbers and JSON of strangers: a value, or one kind of error, whatever comes."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagebuild.formats.foreign import MOST, ForeignError, json_value, number, number_or_none, whole


@pytest.mark.parametrize("text", ["", "-1", "+1", " 1", "1 ", "1_000", "0x10", "٣", "１", "1.0", "nan", "9" * 5000])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(ForeignError, match="not a number"):
        number(text)
    assert number_or_none(text) is None


def test_numbers() -> None:
    assert number("007") == 7
    assert number("777", base=8) == 0o777
    assert number("fF", base=16) == 255
    assert number(str(MOST)) == MOST
    with pytest.raises(ForeignError, match="at most"):
        number(str(MOST + 1))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), -1, 2**70, True, "1", None, [1]])
def test_what_is_no_whole_number(value: object) -> None:
    with pytest.raises(ForeignError):
        whole(value)


def test_whole_numbers() -> None:
    assert (whole(7), whole(7.9)) == (7, 7)


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 1500 + b"1" + b"}" * 1500, b"NaN", b"[Infinity]", b"9" * 5000,
     b"\xef\xbb\xbf{}", b"\x00" * 10],
)  # fmt: skip
def test_what_is_no_json(data: bytes) -> None:
    with pytest.raises(ForeignError, match="not JSON"):
        json_value(data)


def test_brackets_in_a_text_are_no_depth() -> None:
    assert json_value(b'["' + b"[{" * 100 + b'", "a\\"[", {}]') == ["[{" * 100, 'a"[', {}]


@settings(deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200))
def test_no_other_error(data: bytes | str) -> None:
    with contextlib.suppress(ForeignError):
        json_value(data)
    with contextlib.suppress(ForeignError):
        number(data if isinstance(data, str) else data.decode("latin-1"))
