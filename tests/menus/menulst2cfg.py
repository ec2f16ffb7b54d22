"""grub-menulst2cfg of Debian's grub-common on generated menus: what GRUB 2 makes of their lines.

The program hands lines over with their blanks and CR, which legacy_configfile itself removes (legacy_file,
grub_file_getline); so they are removed before it reads the menu.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from dataclasses import dataclass, field

from imagebuild.bootloaders.menus.grub2_head import read_config
from imagebuild.bootloaders.menus.grub2_words import COMMANDS, adjust, kernel_words, rest_words, split_line
from imagebuild.bootloaders.menus.trace import Line
from imagebuild.testhost.tools import Tools

_ENTRY = re.compile(r"menuentry '(.*)' \{")


@dataclass
class Script:
    """What can be compared: the last of each variable of the head, and each entry's commands."""

    default: str = ""
    timeout: str = ""
    fallback: str = ""
    entries: list[tuple[str, list[tuple[str, ...]]]] = field(default_factory=list)


def translate(tools: Tools, menu: bytes) -> Script | None:
    """The program's words; None where they are no shell words (a quote in a path)."""
    plain = b"\n".join(line.lstrip(b" \t\v\f") for line in menu.replace(b"\r", b"").split(b"\n")) + b"\n"
    argv = tools.program("usr/bin/grub-menulst2cfg")
    done = subprocess.run(argv, input=plain, capture_output=True, check=True)
    try:
        return _read(done.stdout.decode("utf-8", "surrogateescape"))
    except ValueError:
        return None


def _read(text: str) -> Script:
    script = Script()
    for raw in text.split("\n"):
        line = raw.strip(" \t\v\f")
        if match := _ENTRY.fullmatch(line):
            script.entries.append((match[1].replace("'\\''", "'"), []))
        elif not line or line.startswith(("#", "}", "set color_normal")):
            continue
        elif script.entries and raw.startswith("  "):
            script.entries[-1][1].append(_command(line))
        else:
            _variable(script, line)
    return script


def _variable(script: Script, line: str) -> None:
    for name in ("default", "timeout", "fallback"):
        if line.startswith(f"set {name}="):
            value = line.split("; if [", 1)[0].removeprefix(f"set {name}=")
            words = shlex.split(value)
            setattr(script, name, words[0] if words else "")
            if name == "timeout":
                script.timeout = str(int(script.timeout, 8 if re.fullmatch("0[0-7]+", script.timeout) else 0))


def _command(line: str) -> tuple[str, ...]:
    if line.startswith("set root="):
        return ("root", shlex.split(line.split("; set legacy_hdbias", 1)[0])[1].removeprefix("root="))
    word = line.split(" ", 1)[0]
    if word == "legacy_kernel":
        return ("kernel", *shlex.split(line)[1:])
    if word in ("legacy_initrd", "legacy_initrd_nounzip"):
        return (word, *shlex.split(line)[1:])
    return ("boot",) if line == "boot" else ("other",)


def expected(menu: bytes) -> Script:
    """The same, by our own reader."""
    config = read_config(menu, "")
    script = Script()
    for step in config.steps:
        assert step.line is not None
        word, argument = split_line(step.line.text)
        if word == "timeout":
            script.timeout = str(config.timeout)
        elif word in ("default", "fallback"):
            setattr(script, word, argument.rstrip())
    for entry in config.entries:
        script.entries.append((entry.title, [command for line in entry.lines if (command := _own(line)) is not None]))
    return script


def _own(line: Line) -> tuple[str, ...] | None:
    word, argument = split_line(line.text + "\n")  # the program's lines have their end, too
    words = rest_words(argument)
    if word in ("hiddenmenu", "color") or word not in COMMANDS:
        return None
    if word in ("root", "rootnoverify"):
        if not words and word == "root":
            return ("other",)
        return ("root", adjust(words[0]).text if words else "")
    if word == "kernel":
        kernel = kernel_words(argument)
        plain = words[len(kernel.options) :] if kernel.file.text else []
        return ("kernel", *kernel.options, kernel.file.text, *plain)
    if word in ("initrd", "module", "modulenounzip"):
        name = "legacy_initrd_nounzip" if word == "modulenounzip" else "legacy_initrd"
        return (name, adjust(words[0]).text if words else "", *words)
    return ("boot",) if word == "boot" else ("other",)


def is_odd(menu: bytes) -> bool:
    """Where the program itself is at a loss: a partition that is no number (it reads what was never set), a quote in a
    device's file, and `lock`, behind which it forgets the end of the line.
    """
    for line in menu.replace(b"\r", b"").split(b"\n"):
        if re.search(rb"\([^),\s]*,(?!\d)|\([^\s]*['\\]|,0x(?![0-9a-fA-F])|^\s*lock\b", line):
            return True
    return False
