"""Reading a menu: what GRUB 0.97's head commands set, and which entries it counts.

Source: stage2/stage2.c (cmain), stage2/builtins.c (default_func, fallback_func, timeout_func, password_func …).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from imagebuild.bootloaders.menus.grub_legacy.dialect import Dialect, Place
from imagebuild.bootloaders.menus.grub_legacy.errors import error
from imagebuild.bootloaders.menus.grub_legacy.lines import BadNumber, command_word, parse_number, skip_to
from imagebuild.bootloaders.menus.trace import Entry, Line, Step

_MOST_FALLBACKS = 8  # MAX_FALLBACK_ENTRIES
_LONGEST_PASSWORD_BYTES = 0x200 - 2
_LONGEST_SPLASH_BYTES = 256
# init_page and the menu's own copy have room for some 30 KiB; beyond, 0.97 writes over itself.
MOST_TITLE_BYTES = 16 * 1024
_NEEDS_A_DEVICE = frozenset(("device", "hide", "partnew", "parttype", "unhide"))
_NETWORK = frozenset(("bootp", "dhcp", "ifconfig", "rarp", "tftpserver"))


@dataclass(slots=True)
class Config:
    """The state that a menu leaves behind: init_config's variables, and the entries.

    `fallbacks` is fallback_entries, whose rest keeps what stood there before; `fallback_at` is fallback_entryno.
    `waits`: a head command that waits for a key. `changes`: a head command that may change the disk.
    """

    saved_entry: int = 0
    default: int = 0
    is_saved: bool = False
    timeout: int = -1
    fallbacks: list[int] = field(default_factory=lambda: [-1] + [0] * (_MOST_FALLBACKS - 1))
    fallback_at: int = -1
    hidden: bool = False
    password: bool = False
    waits: str = ""
    changes: str = ""
    hangs: str = ""
    steps: list[Step] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)

    def next_fallback(self) -> int | None:
        """The entry to try after a failure (run_menu); moves on."""
        if self.fallback_at < 0:
            return None
        entry = self.fallbacks[self.fallback_at]
        self.fallback_at += 1
        if self.fallback_at >= _MOST_FALLBACKS or self.fallbacks[self.fallback_at] < 0:
            self.fallback_at = -1
        return entry

    def remaining_fallbacks(self) -> tuple[int, ...]:
        """The entries that would be tried after the first, in order."""
        if self.fallback_at < 0:
            return ()
        following = self.fallbacks[self.fallback_at :]
        return tuple(following[: following.index(-1)] if -1 in following else following)


def read_config(lines: Iterable[Line], dialect: Dialect, saved_entry: int, *, hidden: bool = False) -> Config:
    """cmain's loop over the menu. `hidden`: show_menu keeps its value when `configfile` loads another menu."""
    config = read_lines(lines, dialect, Config(saved_entry=saved_entry, hidden=hidden))
    _settle(config)
    return config


def read_lines(lines: Iterable[Line], dialect: Dialect, config: Config) -> Config:
    """The menu's own numbers, before those that do not exist are looked for."""
    title: Line | None = None
    body: list[Line] = []
    ordinal = -1
    for line in lines:
        word = command_word(line.text)
        place = dialect.commands.get(word)
        if place is None:
            config.steps.append(Step(line, word, "unknown to GRUB 0.97: ignored", ran=False))
        elif place is Place.TITLE:
            _close(config, title, body, ordinal)
            title, body, ordinal = line, [], ordinal + 1
        elif title is not None:
            body.append(line)
        elif place & Place.HEAD:
            config.steps.append(_run(config, line, word))
        else:
            config.steps.append(Step(line, word, "is not allowed above the first title: ignored", ran=False))
    _close(config, title, body, ordinal)
    return config


def _close(config: Config, title: Line | None, body: list[Line], ordinal: int) -> None:
    """An entry without one known command is none: the next title takes its place."""
    if title is not None and body:
        config.entries.append(Entry(skip_to(title.text, after_equal=True), title, ordinal, tuple(body)))
    elif title is not None:
        config.steps.append(Step(title, "title", "an entry without one known command: not counted", ran=False))


def _run(config: Config, line: Line, word: str) -> Step:
    """One command of the head; an error is forgotten (errnum = 0), and leaves what was set before it."""
    argument = skip_to(line.text, after_equal=True)
    command = _COMMANDS.get(word)
    number = command(config, argument) if command else None
    if number is not None:
        return Step(line, word, "had no effect", error=error(number))
    if word in _NEEDS_A_DEVICE:
        config.changes = f"{line.place}: `{word}` may change the disk"
    if word == "splashimage" and len(argument.encode("utf-8", "surrogateescape")) > _LONGEST_SPLASH_BYTES:
        config.waits = f"{line.place}: the name of the splash image is too long: 0.97 waits for a key"
    if word in _NETWORK:
        return Step(line, word, "tries the network; the result makes no difference")
    return Step(line, word, "done")


def _default(config: Config, argument: str) -> int | None:
    if argument == "saved":
        config.default, config.is_saved = config.saved_entry, True
        return None
    found = parse_number(argument)
    if isinstance(found, BadNumber):
        return found.error
    config.default, config.is_saved = found[0], False
    return None


def _timeout(config: Config, argument: str) -> int | None:
    found = parse_number(argument)
    if isinstance(found, BadNumber):
        return found.error
    config.timeout = found[0]
    return None


def _fallback(config: Config, argument: str) -> int | None:
    """Returns at the first word that is no number: before it says that there is a fallback at all."""
    count = 0
    while argument:
        found = parse_number(argument)
        if isinstance(found, BadNumber):
            return found.error
        entry, argument = found
        if entry in config.fallbacks[:count]:
            continue  # and the blank behind it is no number: Error 23
        config.fallbacks[count] = entry
        count += 1
        if count == _MOST_FALLBACKS:
            break
        argument = skip_to(argument, after_equal=False)
    if count < _MOST_FALLBACKS:
        config.fallbacks[count] = -1
    config.fallback_at = 0 if count else -1
    return None


def _hidden(config: Config, argument: str) -> int | None:
    config.hidden = True
    return None


def _password(config: Config, argument: str) -> int | None:
    if argument.startswith("--md5"):
        argument = skip_to(argument, after_equal=False)
    if argument.startswith("--"):
        argument = skip_to(argument, after_equal=False)
    if len(argument.encode("utf-8", "surrogateescape")) > _LONGEST_PASSWORD_BYTES:
        return 28
    config.password = True
    return None


_COMMANDS: dict[str, Callable[[Config, str], int | None]] = {
    "default": _default,
    "timeout": _timeout,
    "fallback": _fallback,
    "hiddenmenu": _hidden,
    "password": _password,
}


def _settle(config: Config) -> None:
    """What cmain does behind the last line: fallbacks that do not exist go, a default that does not is replaced."""
    count = len(config.entries)
    if config.fallback_at >= 0:
        _drop_missing_fallbacks(config, count)
    if config.default >= count:
        fallback = config.next_fallback()
        config.default = fallback if fallback is not None else 0


def _drop_missing_fallbacks(config: Config, count: int) -> None:
    entries = config.fallbacks
    at = 0
    while at < _MOST_FALLBACKS and entries[at] >= 0:
        if entries[at] < count:
            at += 1
        elif all(entry >= count for entry in entries[at:]):
            # What is moved to its place does not exist either, and is looked at again, for ever.
            config.hangs = "the last of eight fallbacks does not exist: 0.97 never stops"
            return
        else:
            del entries[at]
            entries.append(entries[-1])
    if entries[0] < 0:
        config.fallback_at = -1
