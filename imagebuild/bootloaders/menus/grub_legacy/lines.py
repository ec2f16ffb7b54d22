"""How GRUB 0.97 reads the bytes of a menu as lines, words and numbers.

Source: GRUB 0.97 with Xen's patches, stage2/stage2.c (get_line_from_config), stage2/cmdline.c (skip_to, find_command),
stage2/char_io.c (safe_parse_maxint).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from imagebuild.bootloaders.menus.trace import Line

# NEW_HEAPSIZE (stage2/shared.h): what does not fit is dropped, up to the end of the line.
LONGEST_LINE_BYTES = 1500
BAD_NUMBER, NUMBER_OVERFLOW = 23, 35
_MOST = 0x7FFFFFFF  # MAXINT
_BACKSLASH, _CR, _LF, _HASH, _SPACE, _TAB = b"\\"[0], b"\r"[0], b"\n"[0], b"#"[0], b" "[0], b"\t"[0]
_HEX_DIGITS = "0123456789abcdef"


def config_lines(menu: bytes) -> Iterator[Line]:
    """The lines that 0.97 makes of a menu's bytes: without comments and empty lines, joined, tabs as spaces, cut."""
    scanner = _Scanner()
    number = 1
    for byte in menu:
        line = scanner.take(byte, number)
        number += byte == _LF
        if line is not None:
            yield line
    if scanner.held:
        yield scanner.line(number)


class _Scanner:
    """The state of get_line_from_config between two bytes."""

    def __init__(self) -> None:
        self.held = bytearray()
        self._first = 1
        self._literal = self._comment = False

    def take(self, byte: int, number: int) -> Line | None:
        """The line that ends with this byte, which stands in the file's line `number`."""
        if byte == _CR:
            return None
        byte = _SPACE if byte == _TAB else byte
        if self._literal:
            if byte == _LF:
                # The backslash goes, or what stands last where the backslash found no room any more.
                byte = _SPACE
                del self.held[-1:]
            self._literal = False
        # A backslash behind a backslash is no escape: it joins lines as well.
        self._literal = byte == _BACKSLASH
        if self._comment:
            self._comment = byte != _LF
        elif not self.held:
            self._begin(byte, number)
        elif byte == _LF:
            return self.line(number)
        elif len(self.held) < LONGEST_LINE_BYTES:
            self.held.append(byte)
        return None

    def _begin(self, byte: int, number: int) -> None:
        if byte == _HASH:
            self._comment = True
        elif byte not in (_SPACE, _LF):
            self.held.append(byte)
            self._first = number

    def line(self, number: int) -> Line:
        """What is held, as a C string: it ends at a zero byte."""
        content = bytes(self.held).split(b"\0")[0]
        self.held.clear()
        return Line(self._first, number, content.decode("utf-8", "surrogateescape"))


def command_word(text: str) -> str:
    """The word that find_command looks up: up to a space, a tab or a `=`."""
    for at, char in enumerate(text):
        if char in " \t=":
            return text[:at]
    return text


def skip_to(text: str, *, after_equal: bool) -> str:
    """What follows the first word of `text`, and the blanks behind it; `=` counts as a blank where `after_equal`."""
    blanks = " \t=" if after_equal else " \t"
    at = 0
    while at < len(text) and text[at] not in blanks:
        at += 1
    return text[at:].lstrip(blanks)


def first_word(text: str) -> str:
    """Up to the first white space (isspace of stage2/char_io.c): how file names end, too."""
    for at, char in enumerate(text):
        if char in " \t\r\n":
            return text[:at]
    return text


@dataclass(frozen=True, slots=True)
class BadNumber:
    """Error 23 (no number) or Error 35 (too large a number)."""

    error: int


def parse_number(text: str) -> tuple[int, str] | BadNumber:
    """The number at the start of `text`, decimal or 0x…, and what follows it (safe_parse_maxint; it knows no octal)."""
    base = 10
    if text[:1] == "0" and text[1:2] in ("x", "X"):
        base, text = 16, text[2:]
    value, at = 0, 0
    while at < len(text) and (digit := _digit(text[at], base)) is not None:
        if value > (_MOST - digit) // base:
            return BadNumber(NUMBER_OVERFLOW)
        value = value * base + digit
        at += 1
    return (value, text[at:]) if at else BadNumber(BAD_NUMBER)


def _digit(char: str, base: int) -> int | None:
    digit = _HEX_DIGITS.find(char.lower()) if char.isascii() else -1
    return digit if 0 <= digit < base else None
