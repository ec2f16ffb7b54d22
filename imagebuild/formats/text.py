"""Text that came from elsewhere (an image, a console, a tool) made harmless: one function for each place it goes to.

printable   a line on a terminal or in a log: what would move the cursor becomes a mark
escaped     a name in a message: what is no printable character becomes an escape, so that nothing is lost
excerpt     the same, cut to a length: for a report
json_text   a JSON document: the same as escapes, so that nothing is lost
pictured    text on a page of ours: control characters become their pictures, line ends stay
xml_text    text in an XML document: the same, and what XML 1.0 does not allow, becomes a mark
"""

from __future__ import annotations

import re
from datetime import datetime

# DEL and the C1 control characters, line and paragraph separators, and what turns the writing's direction (Unicode's
# Bidi_Control), for every place that text goes to: no escape sequence in a console line may move our cursor, no file's
# name may look like another. The C0 control characters are added where the place gives them no meaning of its own.
_UNSAFE = (*range(0x7F, 0xA0), 0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
_MARK = "\N{REPLACEMENT CHARACTER}"
_CONTROLS = dict.fromkeys((*(code for code in range(0x20) if code != 0x09), *_UNSAFE), _MARK)
_JSON_ESCAPES = {code: f"\\u{code:04x}" for code in (*_UNSAFE, *range(0xD800, 0xE000))}


def printable(line: str) -> str:
    """The line without control characters, and without what stdout could not encode (lone surrogates)."""
    return line.translate(_CONTROLS).encode("utf-8", "replace").decode("utf-8")


def json_text(document: str) -> str:
    """A JSON document in which such characters are escapes (RFC 8259, section 7). C0 ones are escapes in any document.

    They can stand in JSON's texts only, so the document means the same as before.
    """
    return document.translate(_JSON_ESCAPES)


def escaped(text: str) -> str:
    """One line of valid UTF-8 with nothing lost: control characters and bytes that are no UTF-8 as escapes."""
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def excerpt(text: str, most: int = 300) -> str:
    """`escaped`, and cut to `most` characters."""
    shown = escaped(text)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def _escape(char: str) -> str:
    if "\udc80" <= char <= "\udcff":  # a byte that was no UTF-8 (PEP 383)
        return f"\\x{ord(char) - 0xDC00:02x}"
    return ascii(char)[1:-1]


# What is left of C0 becomes its picture (U+2400 …); C1, separators and what turns the writing's direction, a mark.
_PICTURES = {
    **dict.fromkeys((*_UNSAFE, *range(0xD800, 0xE000), 0xFFFE, 0xFFFF), _MARK),
    **{code: chr(0x2400 + code) for code in range(0x20) if code not in (0x09, 0x0A)},
}


def pictured(text: str) -> str:
    """The text with control characters shown as pictures; tabs and line ends stay. Escaping HTML is the templates'."""
    return text.translate(_PICTURES)


# XML 1.0, production [2] Char: nothing else may stand in a document, not even as a character reference.
_XML_MARKS = dict.fromkeys(_UNSAFE, _MARK)
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(text: str) -> str:
    """The text without what no XML document may hold, or what no reader of one should be shown."""
    return _NOT_XML.sub(_MARK, text).translate(_XML_MARKS)


def duration(seconds: float) -> str:
    """`3.2 s`, `1 min 23 s`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"


def moment(stamp: str) -> str:
    """`2026-11-30 13:25 UTC` of ISO 8601 in UTC; any other text as it is."""
    try:
        return datetime.fromisoformat(stamp).strftime("%Y-%m-%d %H:%M UTC")
    except ValueError:
        return stamp


def size(count_bytes: int) -> str:
    """`812 KiB`, `1.2 GiB`: two to four digits."""
    value = float(count_bytes)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if value >= 10 or unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
