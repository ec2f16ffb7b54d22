"""GRUB 2.06's legacy_configfile: what it makes of a menu.lst, and what its script starts under Xen.

Source: grub-core/commands/legacycfg.c, grub-core/script/execute.c (an error is printed, and the script goes on),
grub-core/normal/menu.c (default, fallback; `boot` at an entry's end where a kernel is loaded), grub-core/normal/auth.c.
It forgives much that 0.97 does not: order of lines, stray words, a missing initrd.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from imagebuild.bootloaders.menus.facts import Files, Found
from imagebuild.bootloaders.menus.grub2_words import (
    COMMANDS,
    AdjustedFile,
    adjust,
    escaped,
    kernel_words,
    lines_of,
    number_text,
    split_line,
    unsigned,
    whole,
    words_of,
)
from imagebuild.bootloaders.menus.trace import End, Entry, FileName, Line, Loaded, LoaderError, Run, Step, Trace

_DEVICE = re.compile(r"hd(\d+)(?:,(?:msdos|gpt)?(\d+))?")
_MOST_MENUS = 8
_LONGEST_COMMAND_LINE_BYTES = 1023


@dataclass(slots=True)
class Config:
    """The variables that the head sets. `timeout` None: never set, the menu waits for ever."""

    default: str = ""
    timeout: int | None = None
    fallback: str = ""
    hidden: bool = False
    password: bool = False
    root: str = ""
    steps: list[Step] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)


def interpret(menu: bytes, root: str, files: Files, *, depth: int = 0) -> Trace:
    """What GRUB 2 does with the bytes of a menu. `root`: the device it was set to before, such as `hd0,1` or `hd0`."""
    config = read_config(menu, root)
    trace = Trace(
        loader="grub2-legacy",
        head=tuple(config.steps),
        entries=tuple(config.entries),
        default=_default(config),
        fallbacks=(),
        timeout_seconds=config.timeout,
        runs=(),
        end=End.NO_ENTRY,
        reason="the menu has no entry",
        hidden=config.hidden and config.timeout is not None,
    )
    return _run(config, trace, files, depth) if config.entries else trace


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
            config.root = _root(argument, config.root) or ""
        case _:
            known = word in COMMANDS
            return Step(line, word, "run" if known else "unknown to GRUB 2: a comment", ran=known)
    return Step(line, word, "done")


def _default(config: Config) -> int | None:
    """get_entry_number: a number, or a title; entry 0 for what does not exist."""
    if not config.entries:
        return None
    entry = _entry_number(config, config.default)
    return entry if entry is not None and entry < len(config.entries) else 0


def _entry_number(config: Config, text: str) -> int | None:
    found = unsigned(text)
    if found is not None:
        return found[0]
    return next((index for index, entry in enumerate(config.entries) if text and entry.title == text), None)


def _run(config: Config, trace: Trace, files: Files, depth: int) -> Trace:
    """grub_menu_execute_with_fallback: an entry that comes back has failed."""
    runs: list[Run] = []
    entry = trace.default
    fallback = config.fallback
    while entry is not None:
        if entry >= len(config.entries):
            return _ended(trace, runs, End.UNKNOWN, f"GRUB 2 does not check that fallback {entry} exists")
        runs.append(_Script(config, entry, files, depth).run())
        if runs[-1].end is not End.FAILS or config.timeout is None:
            break
        entry, fallback = _next_fallback(config, fallback)
    if config.timeout is None:
        return _ended(trace, runs, End.WAITS_AT_MENU, "no timeout: GRUB 2 waits at the menu for ever")
    if runs[-1].end is End.FAILS:
        return _ended(trace, runs, End.WAITS_AT_MENU, f"{runs[-1].reason}; back to the menu")
    return _ended(trace, runs, runs[-1].end, runs[-1].reason)


def _ended(trace: Trace, runs: list[Run], end: End, reason: str) -> Trace:
    return replace(trace, runs=tuple(runs), end=end, reason=reason)


def _next_fallback(config: Config, text: str) -> tuple[int | None, str]:
    found = unsigned(text)
    if found is None:
        return _entry_number(config, text), ""
    return found[0], found[1].lstrip()


def _root(argument: str, before: str) -> str | None:
    """The device that `root` sets, without its parentheses; None where GRUB 2 itself is at a loss."""
    words = words_of(argument)
    if not words:
        return before
    adjusted = adjust(words[0])
    if not adjusted.certain:
        return None
    return adjusted.text.removeprefix("(").removesuffix(")")


class _UnknownError(Exception):
    """Cannot be judged. Never leaves this module."""


class _CommandError(Exception):
    """A command printed an error. Never leaves this module."""


class _Script:
    """One entry's script: root is a variable of the whole session, what is loaded belongs to the entry."""

    def __init__(self, config: Config, entry: int, files: Files, depth: int) -> None:
        self._config = config
        self._entry = entry
        self._files = files
        self._depth = depth
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
            self._steps.append(Step(line, word, f"cannot be judged: {unknown}", file=self._named))
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
        root = _root(argument, self._config.root)
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
        menu = self._files.read(disk, number, path, 2**18)
        if menu is None or self._depth >= _MOST_MENUS:
            raise _UnknownError(f"what {path} holds")
        self._other_menu = path
        inner = interpret(menu, self._config.root, self._files, depth=self._depth + 1)
        if inner.started is None:
            return self._ended(inner.end, f"{path}: {inner.reason}")
        self._loaded = inner.started.loaded
        return self._ended(End.STARTS, f"{path}: {inner.reason}")


_LINUX_OPTIONS = ("--type=linux", "--type=biglinux", "--no-mem-option")
# Commands of a BIOS that GRUB 2's Xen port is built without.
_MISSING_UNDER_XEN = {"chainloader": "chainloader", "map": "drivemap", "displayapm": "lsapm"}
_Command = Callable[[str], None]
