"""A console log as lines for a page."""

from __future__ import annotations

import re

from imagebuild.formats.text import pictured

# ECMA-48: CSI sequences (colours, cursor), OSC and other strings up to their end, and two-character escapes.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")


def console_lines(content: bytes, most_lines: int = 20_000, most_chars: int = 2_000) -> tuple[list[str], int]:
    """A console log as lines without colours and carriage returns, and how many were left out in the middle.

    Bytes that are no UTF-8 become the replacement character.
    """
    text = _ESCAPES.sub("", content.decode("utf-8", "replace"))
    lines = [pictured(_last_overprint(line))[:most_chars] for line in text.split("\n")]
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
