"""The head of a menu.lst as GRUB 2's legacy reader runs it: variables, and the entries.

Source: grub-core/commands/legacycfg.c (legacy_file).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from imagebuild.bootloaders.menus.grub2_words import (
    COMMANDS,
    adjust,
    lines_of,
    number_text,
    split_line,
    unsigned,
    whole,
    words_of,
)
from imagebuild.bootloaders.menus.trace import Entry, Line, Step


@dataclass(slots=True)
class Config:
    """The variables that the head sets. `timeout` None: never set, the menu waits forever."""

    default: str = ""
    timeout: int | None = None
    fallback: str = ""
    hidden: bool = False
    password: bool = False
    root: str = ""
    steps: list[Step] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)


def read_config(menu: bytes, root: str) -> Config:
    """legacy_file: the head is run at once, and every title is an entry."""
    config = Config(root=root)
    body: list[Line] | None = None
    for line in lines_of(menu):
        word, argument = split_line(line.text)
        if word == "title":
            body = []
            config.entries.append(Entry(whole(argument), line, len(config.entries), ()))
        elif body is None:
            config.steps.append(_head(config, line, word, argument))
        else:
            body.append(line)
            config.entries[-1] = replace(config.entries[-1], lines=tuple(body))
    return config


def _head(config: Config, line: Line, word: str, argument: str) -> Step:
    match word:
        case "default":
            config.default = "" if whole(argument) == "saved" else whole(argument)
        case "timeout":
            found = unsigned(number_text(argument))
            config.timeout = found[0] if found else 0
        case "fallback":
            config.fallback = whole(argument)
        case "hiddenmenu":
            config.hidden = True
        case "password":
            config.password = True
        case "root" | "rootnoverify":
            config.root = root_of(argument, config.root) or ""
        case _:
            known = word in COMMANDS
            return Step(line, word, "run" if known else "unknown to GRUB 2: a comment", ran=known)
    return Step(line, word, "done")


def root_of(argument: str, before: str) -> str | None:
    """The device that `root` sets, without its parentheses; None where GRUB 2 itself is at a loss."""
    words = words_of(argument)
    if not words:
        return before
    adjusted = adjust(words[0])
    if not adjusted.certain:
        return None
    return adjusted.text.removeprefix("(").removesuffix(")")
