"""Xen 4.17's pygrub: how its parser reads a menu.lst, and what it takes out of the image.

Source: tools/pygrub of Xen 4.17: GrubConf.py (GrubConfigFile.parse, GrubImage, GrubDiskPart), pygrub (image_index,
run_grub, copy_from_image); with a terminal tried on Debian's build: without a `timeout`, and with `timeout 0`, it
starts the default entry after one second.

It runs nothing: the last `kernel` and `initrd` line of an entry count, whatever their order, and the filesystem is the
one where the menu lies. But one number that is none, anywhere in the file, and it reads no entry at all.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass, field

from imagebuild.bootloaders.menus.facts import Files, Found, Partition
from imagebuild.bootloaders.menus.trace import End, Entry, FileName, Line, Loaded, LoaderError, Run, Step, Trace

_HEAD_WORDS = frozenset(("default", "timeout", "fallback", "hiddenmenu", "splashimage", "password"))
_IGNORED_HEAD_WORDS = frozenset((
    "bootp", "color", "device", "dhcp", "hide", "ifconfig", "pager", "partnew", "parttype", "rarp", "serial", "setkey",
    "terminal", "terminfo", "tftpserver", "unhide",
))  # fmt: skip
_MOST_MENU_BYTES = 1024 * 1024  # FS_READ_MAX
_TITLE = "title"


@dataclass(slots=True)
class _Image:
    """GrubImage: what the lines of an entry leave behind."""

    title: str
    kernel: str | None = None
    arguments: str | None = None
    initrd: str | None = None
    steps: list[Step] = field(default_factory=list)


@dataclass(slots=True)
class _Config:
    default: int = 0
    timeout: str = "-1"
    steps: list[Step] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    images: list[_Image] = field(default_factory=list)


class _BrokenError(Exception):
    """The parser raised: pygrub goes on to the next filesystem, and finds no other menu. Never leaves this module."""


def interpret(menu: bytes, disk: int, partition: Partition, files: Files, *, terminal: bool = True) -> Trace:
    """What pygrub does with the bytes of a menu on a filesystem.

    `terminal`: as xl runs it; without one (`-q`) no timeout is read.
    """
    config = _Config()
    try:
        _parse(config, menu)
        seconds = _seconds(config.timeout) if terminal else 0
    except _BrokenError as broken:
        return _trace(config, 0, (), End.FAILS, f"pygrub reads no entry: {broken}")
    if not config.images:
        return _trace(config, seconds, (), End.FAILS, "the menu has no entry: pygrub finds no kernel")
    run = _run(config, _selected(config), disk, partition, files)
    return _trace(config, seconds, (run,), run.end, run.reason)


def _trace(config: _Config, seconds: int, runs: tuple[Run, ...], end: End, reason: str) -> Trace:
    return Trace(
        loader="pygrub",
        head=tuple(config.steps),
        entries=tuple(config.entries),
        default=_selected(config) if config.images else None,
        fallbacks=(),
        timeout_seconds=seconds,
        runs=runs,
        end=end,
        reason=reason,
    )


def _selected(config: _Config) -> int:
    """image_index, and IndexError in run_grub: what does not exist is entry 0."""
    return config.default if config.default < len(config.images) else 0


def _seconds(timeout: str) -> int:
    """run_main: a second is the least that it waits for a key; -1, as without a `timeout`, is no wait for ever."""
    try:
        return max(1, int(timeout))
    except ValueError:
        raise _BrokenError(f"`timeout {timeout}` is no number") from None


def _parse(config: _Config, menu: bytes) -> None:
    try:
        text = codecs.decode(menu[:_MOST_MENU_BYTES], "utf-8")
    except UnicodeDecodeError as wrong:
        raise _BrokenError(f"it is no UTF-8 (byte {wrong.start})") from None
    title: Line | None = None
    body: list[Line] | None = None
    ordinal = -1
    for line in _lines(text):
        if line.text.startswith(_TITLE):
            if title is not None and body is not None:
                _add(config, title, body, ordinal)
            title, body, ordinal = line, [], ordinal + 1
        elif body is not None:
            body.append(line)
        else:
            _head(config, line)
    if title is not None and body:
        _add(config, title, body, ordinal)


def _lines(text: str) -> Iterator[Line]:
    for number, raw in enumerate(text.split("\n"), start=1):
        stripped = raw.strip()
        if stripped and not stripped.startswith("#"):
            yield Line(number, number, stripped)


def split_words(text: str) -> tuple[str, str]:
    """grub_exact_split(…, 2): the word ends at `=` where that comes before a space and a tab, else at white space."""
    blanks = [at for at in (text.find(" "), text.find("\t")) if at >= 0]
    equal = text.find("=")
    if equal >= 0 and (not blanks or equal < min(blanks)):
        word, _, rest = text.partition("=")
        return word, rest
    word, *others = text.split(None, 1)
    return word, others[0] if others else ""


def _head(config: _Config, line: Line) -> None:
    word, argument = split_words(line.text)
    argument = argument.strip()
    if word not in _HEAD_WORDS:
        known = word in _IGNORED_HEAD_WORDS
        what = "ignored" if known else "unknown to pygrub: ignored"
        config.steps.append(Step(line, word, what, ran=False))
        return
    with _breaking(line):
        if word == "default":
            config.default = _default(argument)
        elif word == "timeout":
            config.timeout = argument
        elif word == "splashimage":
            _path(argument)
    config.steps.append(Step(line, word, "done"))


class _breaking:  # noqa: N801 (a context manager reads as a verb)
    """What Python says in pygrub's parser ends the reading of the whole menu."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: object) -> None:
        if isinstance(value, ValueError | IndexError):
            raise _BrokenError(f"{self._line.place}, `{self._line.text}`: {value}") from None


def _default(argument: str) -> int:
    try:
        number = 0 if argument == "saved" else int(argument)
    except ValueError:
        return 0
    if number < 0:
        raise ValueError("default must be non-negative number")
    return number


def _add(config: _Config, title: Line, body: list[Line], ordinal: int) -> None:
    image = _Image(title.text[len(_TITLE) + 1 :].strip())
    for line in body:
        with _breaking(line):
            image.steps.append(_image_line(image, line))
    config.images.append(image)
    config.entries.append(Entry(image.title, title, ordinal, tuple(body)))


def _image_line(image: _Image, line: Line) -> Step:
    word, argument = split_words(line.text)
    argument = argument.strip()
    match word:
        case "root" | "rootnoverify":
            _disk_part(argument)
            return Step(line, word, "read, and not used: files come from the menu's filesystem")
        case "kernel":
            return _kernel(image, line, argument)
        case "initrd":
            image.initrd = _path(argument)
            return Step(line, word, "names the initrd", file=FileName(None, None, image.initrd))
        case "chainloader" | "module":
            return Step(line, word, "ignored", ran=False)
        case _:
            return Step(line, word, "unknown to pygrub: ignored", ran=False)


def _kernel(image: _Image, line: Line, argument: str) -> Step:
    """set_kernel: the path ends at white space only where there is a space in the line."""
    path, arguments = argument, None
    if " " in argument:
        path, arguments = argument.split(None, 1)
    image.kernel, image.arguments = _path(path), arguments
    return Step(line, "kernel", "names the kernel", file=FileName(None, None, image.kernel))


def _path(text: str) -> str:
    """get_path: a device before the path has to be one, and is not used."""
    if not text.startswith("("):
        return text
    end = text.find(")")
    if end < 0:
        raise ValueError("Unable to find matching ')'")
    _disk_part(text[:end])
    return text[end + 1 :]


def _disk_part(text: str) -> None:
    """GrubDiskPart: `(hdN` or `/dev/xvdX`, and a number behind the comma. Raises ValueError, IndexError."""
    disk, comma, part = text.partition(",")
    if comma and "," in part:
        raise ValueError("too many values to unpack")
    disk = disk.replace("(", "").replace(")", "")
    if disk.startswith("/dev/xvd"):
        disk[len("/dev/xvd")]
    else:
        int(disk[2:])
    if comma:
        part = part.replace("(", "").replace(")", "")
        part = part.removeprefix("msdos")
        int(part.removeprefix("gpt"))


def _run(config: _Config, index: int, disk: int, partition: Partition, files: Files) -> Run:
    image = config.images[index]
    steps = tuple(image.steps)
    if not image.kernel:
        return Run(index, image.title, steps, End.FAILS, "the entry names no kernel", Loaded())
    loaded = Loaded(
        FileName(None, None, image.kernel),
        image.arguments or "",
        FileName(None, None, image.initrd) if image.initrd else None,
    )
    for role, path in (("kernel", image.kernel), ("initrd", image.initrd)):
        if not path:
            continue
        found = files.find(disk, partition, path)
        if found is None:
            return Run(index, image.title, steps, End.UNKNOWN, f"whether {path} is there", loaded)
        if not isinstance(found, Found):
            missing = _missing(steps, role, path)
            return Run(index, image.title, missing, End.FAILS, f"the {role} {path} does not exist", loaded)
    return Run(index, image.title, steps, End.STARTS, f"takes {image.kernel} out of the image", loaded)


def _missing(steps: tuple[Step, ...], role: str, path: str) -> tuple[Step, ...]:
    """The steps, the one that named the file with its error."""
    error = LoaderError(0, f"{path} does not exist")
    changed = list(steps)
    at = max(number for number, step in enumerate(steps) if step.command == role)
    step = steps[at]
    changed[at] = Step(step.line, step.command, "fails", error=error, file=step.file)
    return tuple(changed)
