"""One entry of a menu.lst as GRUB 2 runs it under Xen: an error is printed, and the script goes on.

Source: grub-core/commands/legacycfg.c, grub-core/script/execute.c, grub-core/lib/cmdline.c.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from imagebuild.bootloaders.menus.facts import Files, Found
from imagebuild.bootloaders.menus.grub2_head import Config, root_of
from imagebuild.bootloaders.menus.grub2_words import (
    COMMANDS,
    AdjustedFile,
    adjust,
    escaped,
    kernel_words,
    split_line,
    whole,
    words_of,
)
from imagebuild.bootloaders.menus.trace import End, FileName, Line, Loaded, LoaderError, Run, Step, Trace

_DEVICE = re.compile(r"hd([0-9]{1,9})(?:,(?:msdos|gpt)?([0-9]{1,9}))?")
_LONGEST_COMMAND_LINE_BYTES = 1023
_MOST_MENU_BYTES = 2**18
_LINUX_OPTIONS = ("--type=linux", "--type=biglinux", "--no-mem-option")
# Commands of a BIOS that GRUB 2's Xen port is built without.
_MISSING_UNDER_XEN = {"chainloader": "chainloader", "map": "drivemap", "displayapm": "lsapm"}


class _UnknownError(Exception):
    """Cannot be judged. Never leaves this module."""


class _CommandError(Exception):
    """A command printed an error. Never leaves this module."""


class Script:
    """One entry's script: root is a variable of the whole session, what is loaded belongs to the entry.

    `follow` interprets another menu, with the root device that is set; None where that leads nowhere.
    """

    def __init__(self, config: Config, entry: int, files: Files, follow: Callable[[bytes, str], Trace | None]) -> None:
        self._config = config
        self._entry = entry
        self._files = files
        self._follow = follow
        self._loaded = Loaded()
        self._steps: list[Step] = []
        self._named: FileName | None = None
        self._other_menu = ""

    def run(self) -> Run:
        config = self._config
        if config.password and self._entry < len(config.entries) - 1:
            # legacy_file gives every entry but the last to the user `legacy`.
            return self._ended(End.WAITS_FOR_KEY, "the menu has a password: GRUB 2 asks for a user's name")
        for line in config.entries[self._entry].lines:
            ended = self._step(line)
            if ended is not None:
                return ended
        if self._loaded.kernel is None:
            last = next((step for step in reversed(self._steps) if step.error), None)
            return self._ended(End.FAILS, str(last) if last else "the entry loads no kernel")
        return self._starts()

    def _starts(self) -> Run:
        return self._ended(End.STARTS, f"starts {self._loaded.kernel}")

    def _ended(self, end: End, reason: str) -> Run:
        title = self._config.entries[self._entry].title
        return Run(self._entry, title, tuple(self._steps), end, reason, self._loaded, self._other_menu)

    def _step(self, line: Line) -> Run | None:
        word, argument = split_line(line.text)
        self._named = None
        if word not in COMMANDS:
            self._steps.append(Step(line, word, "unknown to GRUB 2: a comment", ran=False))
            return None
        try:
            ended = self._command(word, argument, line)
        except _CommandError as wrong:
            self._steps.append(Step(line, word, "fails", error=LoaderError(0, str(wrong)), file=self._named))
            return None
        except _UnknownError as unknown:
            self._steps.append(Step(line, word, f"cannot be predicted: {unknown}", file=self._named))
            return self._ended(End.UNKNOWN, f"{line.place}: `{word}`: {unknown}")
        self._steps.append(Step(line, word, "done", file=self._named))
        return ended

    def _command(self, word: str, argument: str, line: Line) -> Run | None:
        match word:
            case "root" | "rootnoverify":
                self._set_root(word, argument)
            case "kernel":
                self._kernel(argument)
            case "initrd" | "module":
                self._initrd(argument)
            case "modulenounzip":
                raise _CommandError("can't find command `initrd16'")
            case "boot":
                if self._loaded.kernel is None:
                    raise _CommandError("you need to load the kernel first")
                return self._starts()
            case "halt" | "reboot":
                return self._ended(End.HALTS if word == "halt" else End.REBOOTS, f"{line.place}: `{word}`")
            case "configfile":
                return self._configfile(argument)
            case "lock" | "password":
                raise _UnknownError("the script that GRUB 2 makes of it has a mistake in it")
            case "uuid":
                raise _UnknownError("the root is looked for by a filesystem's UUID")
            case _:
                if word in _MISSING_UNDER_XEN:
                    raise _CommandError(f"can't find command `{_MISSING_UNDER_XEN[word]}'")
        return None

    def _set_root(self, word: str, argument: str) -> None:
        if word == "rootnoverify" and not words_of(argument):
            self._config.root = ""
            return
        root = root_of(argument, self._config.root)
        if root is None:
            raise _UnknownError(f"what GRUB 2 makes of `{argument}`")
        self._config.root = root

    def _open(self, file: AdjustedFile) -> tuple[FileName, int, int | None, str]:
        """The file, with its disk, its partition (counted from 0) and its path."""
        if not file.certain:
            raise _UnknownError(f"what GRUB 2 makes of `{file.text}`")
        device, path = self._config.root, file.text
        if file.text.startswith("(") and ")" in file.text:
            device, _, path = file.text[1:].partition(")")
        match = _DEVICE.fullmatch(device)
        number = int(match[2]) - 1 if match and match[2] else None
        self._named = FileName(f"hd{match[1]}" if match else None, number, path)
        if not device:
            raise _CommandError("no device is set")
        if match is None or number == -1:
            raise _CommandError(f"disk `{device}' not found")
        disk = int(match[1])
        self._look(disk, number, path, device)
        return self._named, disk, number, path

    def _look(self, disk: int, number: int | None, path: str, device: str) -> None:
        if disk >= self._files.disks() or (number is not None and number not in (self._files.partitions(disk) or {})):
            raise _CommandError(f"disk `{device}' not found")
        if not path.startswith("/"):
            if re.match(r"\d*\+\d", path):
                raise _UnknownError(f"`{path}` is a list of blocks")
            raise _CommandError(f"invalid file name `{path}'")
        if self._files.mounts(disk, number) is False:
            raise _CommandError("unknown filesystem")
        found = self._files.find(disk, number, re.sub("/+", "/", path))
        if found is None:
            raise _UnknownError(f"whether {path} is there")
        if not isinstance(found, Found):
            raise _CommandError(f"file `{path}' not found")

    def _kernel(self, argument: str) -> None:
        words = kernel_words(argument)
        # The Linux command forgets what was loaded before it looks at the new file.
        self._loaded = Loaded()
        if not words.file.text:
            raise _CommandError("filename expected")
        name, disk, number, path = self._open(words.file)
        if any(option not in _LINUX_OPTIONS for option in words.options):
            raise _CommandError(f"couldn't load file {words.file.text}")
        wrong = self._files.boots(disk, number, path)
        if wrong is None:
            raise _UnknownError(f"whether {path} is a kernel that it starts")
        if wrong:
            raise _CommandError(f"couldn't load file {words.file.text}")
        line = escaped(words.arguments).encode("utf-8", "surrogateescape")[:_LONGEST_COMMAND_LINE_BYTES]
        self._loaded = Loaded(name, line.decode("utf-8", "surrogateescape"))

    def _initrd(self, argument: str) -> None:
        words = words_of(argument)
        name, *_ = self._open(adjust(words[0] if words else "")) if words else (None,)
        if self._loaded.kernel is None:
            raise _CommandError("you need to load the kernel first")
        self._loaded = replace(self._loaded, initrd=name)

    def _configfile(self, argument: str) -> Run | None:
        _, disk, number, path = self._open(adjust(whole(argument)))
        menu = self._files.read(disk, number, path, _MOST_MENU_BYTES)
        inner = None if menu is None else self._follow(menu, self._config.root)
        if inner is None:
            raise _UnknownError(f"what {path} holds")
        self._other_menu = path
        if inner.started is None:
            return self._ended(inner.end, f"{path}: {inner.reason}")
        self._loaded = inner.started.loaded
        return self._ended(End.STARTS, f"{path}: {inner.reason}")
