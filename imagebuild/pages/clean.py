"""Text out of an image or a console, made harmless and readable. Escaping for HTML is the templates' part."""

from __future__ import annotations

import re

# ECMA-48: CSI sequences (colours, cursor), OSC and other strings up to their end, and two-character escapes.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")
# What is left of C0 becomes its picture (U+2400 …); C1, separators and what turns the writing's direction, a mark.
_MARKED = (
    0x7F, *range(0x80, 0xA0), 0x200E, 0x200F, 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A),
    *range(0xD800, 0xE000), 0xFFFE, 0xFFFF,
)  # fmt: skip
_REPLACED = {
    **dict.fromkeys(_MARKED, "\N{REPLACEMENT CHARACTER}"),
    **{code: chr(0x2400 + code) for code in range(0x20) if code not in (0x09, 0x0A)},
}


def clean(text: str) -> str:
    """The text with control characters shown as pictures; tabs and line ends stay."""
    return text.translate(_REPLACED)


def console_lines(content: bytes, most_lines: int = 20_000, most_chars: int = 2_000) -> tuple[list[str], int]:
    """A console log as lines without colours and carriage returns, and how many were left out in the middle.

    Bytes that are no UTF-8 become the replacement character.
    """
    text = _ESCAPES.sub("", content.decode("utf-8", "replace"))
    lines = [clean(_last_overprint(line))[:most_chars] for line in text.split("\n")]
    while lines and not lines[-1].strip():
        lines.pop()
    if len(lines) <= most_lines:
        return lines, 0
    head = most_lines // 4
    return lines[:head] + lines[head - most_lines :], len(lines) - most_lines


def _last_overprint(line: str) -> str:
    """What a terminal would show of a line in which carriage returns overwrite what was there."""
    parts = [part for part in line.split("\r") if part]
    return parts[-1] if parts else ""
