"""How GRUB 2.06's legacy reader splits a menu.lst into titles, commands and arguments.

Source: grub-core/lib/legacy_parse.c (grub_legacy_parse, adjust_file), grub-core/commands/legacycfg.c (legacy_file);
what grub-menulst2cfg makes of the same lines. It joins no lines, and a command that it does not know becomes a comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from imagebuild.bootloaders.menus.trace import Line
from imagebuild.formats.foreign import number_or_none

_BLANKS = " \t\n\r\v\f"
COMMANDS = frozenset((
    "blocklist", "boot", "bootp", "cat", "chainloader", "clear", "cmp", "color", "configfile", "debug", "default",
    "dhcp", "displayapm", "displaymem", "fallback", "find", "geometry", "halt", "hiddenmenu", "hide", "initrd",
    "kernel",
    "lock", "makeactive", "map", "module", "modulenounzip", "pager", "parttype", "password", "pause", "print", "read",
    "reboot", "root", "rootnoverify", "savedefault", "serial", "terminal", "testload", "testvbe", "timeout", "title",
    "unhide", "uuid", "vbeprobe",
))  # fmt: skip
_KERNEL_OPTIONS = frozenset((
    "--type=netbsd", "--type=freebsd", "--type=openbsd", "--type=linux", "--type=biglinux", "--type=multiboot",
    "--no-mem-option",
))  # fmt: skip


def lines_of(menu: bytes) -> Iterator[Line]:
    """The lines that grub_file_getline and legacy_file give: without CR, up to a zero byte, without leading blanks."""
    text = menu.replace(b"\r", b"").decode("utf-8", "surrogateescape")
    for number, raw in enumerate(text.split("\n"), start=1):
        stripped = raw.partition("\0")[0].lstrip(_BLANKS)
        if stripped and not stripped.startswith("#"):
            yield Line(number, number, stripped)


def split_line(text: str) -> tuple[str, str]:
    """The command's word (up to a blank or `=`), and what follows blanks and `=` behind it."""
    at = next((at for at, char in enumerate(text) if char in _BLANKS or char == "="), len(text))
    return text[:at], text[at:].lstrip(_BLANKS + "=")


def words_of(text: str) -> list[str]:
    return [word for word in re.split(f"[{_BLANKS}]+", text) if word]


def rest_words(text: str) -> list[str]:
    """The words of an argument that takes them all: two blanks at its end make an empty one (TYPE_REST_VERBATIM)."""
    words = words_of(text)
    return [*words, ""] if words and len(text) - len(whole(text)) > 1 else words


def whole(text: str) -> str:
    """An argument that takes the rest of the line."""
    return text.rstrip(_BLANKS)


def number_text(text: str) -> str:
    """A number as it is kept: the digits of its base at the start; `0` where there are none."""
    match = re.match("0x[0-9a-fA-F]*|0[0-7]*|[1-9][0-9]*", text)
    return match[0] if match else "0"


def unsigned(text: str) -> tuple[int, str] | None:
    """grub_strtoul with base 0, and what follows; None for no number, or one above 64 bits (GRUB_ERR_OUT_OF_RANGE)."""
    text = text.lstrip(_BLANKS)
    match = re.match("0x([0-9a-fA-F]+)|(?!0x)0([0-7]+)|(?!0x)([0-9]+)", text)
    if match is None:
        return None
    base = 16 if match[1] else 8 if match[2] else 10
    value = number_or_none(match[1] or match[2] or match[3], base=base)
    return (value, text[match.end() :]) if value is not None else None


@dataclass(frozen=True, slots=True)
class AdjustedFile:
    """A device or file as GRUB 2 names it: partitions count from 1. `certain` False: GRUB 2 itself is at a loss."""

    text: str
    certain: bool = True


def adjust(word: str) -> AdjustedFile:
    """`(hd0,0)/x` becomes `(hd0,1)/x` (adjust_file)."""
    if word.startswith("(nd)"):
        return AdjustedFile("(tftp)" + word.removeprefix("(nd)"))
    match = re.match(r"(\((?:[^),]*)),", word)
    if match is None:
        return AdjustedFile(word)
    found = unsigned(word[match.end() :])
    if found is None:
        return AdjustedFile(word, certain=False)
    part, rest = found
    sub = ""
    if re.match(",[a-z]", rest):
        sub, rest = f",{ord(rest[1]) - ord('a') + 1}", rest[2:]
    odd = "'" in word or "\\" in word
    return AdjustedFile(f"{match[1]},{part + 1}{sub}{rest}", certain=not odd)


@dataclass(frozen=True, slots=True)
class KernelWords:
    """`kernel`: its options, the file, and the words of the command line."""

    options: tuple[str, ...]
    file: AdjustedFile
    arguments: tuple[str, ...]


def kernel_words(argument: str) -> KernelWords:
    """At most two options are looked for; the first word that is none is the file."""
    words = rest_words(argument)
    options: list[str] = []
    while len(options) < 2 and words and words[0] in _KERNEL_OPTIONS:
        options.append(words.pop(0))
    return KernelWords(tuple(options), adjust(words[0] if words else ""), tuple(words[1:]))


def escaped(arguments: tuple[str, ...]) -> str:
    """The kernel's command line that GRUB 2 makes of words: quotes and backslashes get a backslash (lib/cmdline.c)."""
    return " ".join(re.sub(r"""(['"\\])""", r"\\\1", word) for word in arguments)
