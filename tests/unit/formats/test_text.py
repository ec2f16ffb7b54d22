"""Every place that text goes to: nothing in it moves a cursor, turns the writing's direction or starts a line."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagebuild.formats.text import escaped, json_text, pictured, printable, xml_text

C1 = "".join(map(chr, range(0x7F, 0xA0)))
BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
DOORS: dict[str, Callable[[str], str]] = {
    "terminal": printable, "message": escaped, "page": pictured, "junit": xml_text,
    "json": lambda text: json_text(json.dumps(text, ensure_ascii=False)),
}  # fmt: skip


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("text", [C1, BIDI, "\x1b[2J\x1b]0;title\x07", "\u2028\u2029", "\x9b2J"])
def test_nothing_gets_through(door: str, text: str) -> None:
    out = DOORS[door](text)
    assert not set(out) & (set(C1) | set(BIDI) | set("\x1b\x07\u2028\u2029"))


@settings(deadline=None)
@given(st.text())
def test_json_means_the_same(text: str) -> None:
    document = json_text(json.dumps({"a": [text]}, ensure_ascii=False))
    assert json.loads(document) == {"a": [text]}
    document.encode("utf-8")


@settings(deadline=None)
@given(st.text())
def test_xml_can_be_read(text: str) -> None:
    element = ET.Element("a")
    element.text = xml_text(text)
    ET.fromstring(ET.tostring(element))


def test_what_people_write_stays() -> None:
    text = "Grüße, 你好, עברית, العربية, 👍, a\tb"
    assert {DOORS[door](text) for door in ("terminal", "page", "junit")} == {text}


def test_verbs_print_through_the_one_way() -> None:
    """cli/output.py, and terminal.py for colours: a bare print() in a verb would be another."""
    verbs = Path(__file__).parents[3] / "imagebuild/cli/commands"
    found = [
        path.name for path in verbs.glob("*.py") if re.search(r"(?<![\w.])print\(|typer\.echo\(", path.read_text())
    ]
    assert found == []
