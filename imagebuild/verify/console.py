"""A boot as its serial console tells it: a stream of bytes in, milestones and an end out. Pure; knows no sockets.

The signs to look for are data, in signs.py. A sign is looked for in whole lines (a prompt: in the unfinished line,
too), after the terminal's control sequences are taken out, and only in its phase of the boot: what a guest prints
after its kernel has started cannot be taken for the loader's words. Only the time stamps come from outside.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from imagebuild.report import BootEnd, Milestone

Blame = Literal["image", "machine"]
# An endless line is looked at in pieces of this length, which overlap by the longest text that a sign can match.
_LONGEST_LINE = 4096
_OVERLAP = 256
_LONGEST_SEQUENCE = 1024
_REMEMBERED_LINES = 12
LOG_LIMIT_BYTES = 16 * 2**20
_LOG_END = b"\n[imagebuild: the rest of this console was not kept]\n"

# ECMA-48: control sequences, operating system commands, character set choices, other two-byte sequences.
_SEQUENCE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*(?P<final>[@-~])|\][^\x07\x1b\n]*(?:\x07|\x1b\\)|[ -/]+[0-~]|[0-Z\\^-~])", re.ASCII
)
_UNFINISHED_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b\n]*\x1b?|[ -/]*)\Z", re.ASCII)
# Cursor movements and erasures begin another line; all else (colours) is within one.
_LINE_BREAKING = frozenset("ABEFHJdf")
# A loader's "Error 15: File not found", "error: file not found"; a kernel's "Cannot open root device".
_CAUSE = re.compile(r"^Error \d+: |^error: |: Cannot open ")
# systemd waits 90 s for a device (DefaultDeviceTimeoutSec=), by a clock that runs on while a busy host is elsewhere.
_OUT_OF_TIME = re.compile(r"Timed out waiting for device")
_INVISIBLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Sign:
    """A milestone and the text that says it was reached; counts only once the milestone `after` was ("": at once)."""

    milestone: str
    pattern: re.Pattern[str]
    after: str = ""


@dataclass(frozen=True, slots=True)
class Fatal:
    """A text from which no boot recovers, while the last milestone is one of `phases` ("": none yet).

    `prompt`: nothing follows on its line, so the line need not be finished. `blames`: whose fault it is. `after_login`:
    a good boot says it too, when its machine ends.
    """

    name: str
    pattern: re.Pattern[str]
    phases: frozenset[str]
    prompt: bool = False
    blames: Blame = "image"
    end: BootEnd = BootEnd.FATAL
    after_login: bool = False


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a boot is over. `detail` is a sentence with the evidence."""

    end: BootEnd
    blames: Blame | None
    detail: str


class Log(Protocol):
    def write(self, data: bytes, /) -> object: ...


class Text:
    """Bytes to lines: decodes, and takes the terminal's control sequences out, wherever the chunks were cut."""

    def __init__(self) -> None:
        self._rest = b""  # an unfinished character
        self._held = ""  # an unfinished control sequence
        self.line = ""  # the unfinished line

    def feed(self, data: bytes) -> list[str]:
        """The lines that `data` finishes, in order, without their ends; `line` holds what is not finished."""
        text = self._held + self._decode(data)
        self._held = ""
        if unfinished := _UNFINISHED_SEQUENCE.search(text, max(len(text) - _LONGEST_SEQUENCE, 0)):
            text, self._held = text[: unfinished.start()], unfinished[0]
        text = _SEQUENCE.sub(lambda match: "\n" if match["final"] in _LINE_BREAKING else "", text)
        text = _INVISIBLE.sub("", text.replace("\r", "\n"))
        *lines, self.line = (self.line + text).split("\n")
        finished = [piece for line in lines for piece in _pieces(line)]
        *full, self.line = _pieces(self.line)
        return [line for line in finished + full if line.strip()]

    def _decode(self, data: bytes) -> str:
        data = self._rest + data
        cut = len(data)
        for back in range(1, min(4, cut + 1)):
            byte = data[cut - back]
            if byte >= 0xC0:  # the first byte of a character of several
                width = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
                cut = cut - back if back < width else cut
                break
            if byte < 0x80:
                break
        self._rest = data[cut:]
        return data[:cut].decode("utf-8", "replace")


def _pieces(line: str) -> list[str]:
    step = _LONGEST_LINE - _OVERLAP
    return [line[start : start + _LONGEST_LINE] for start in range(0, max(len(line) - _OVERLAP, 1), step)]


class Console:
    """Follows one boot. Feed it what the serial line says; `ending` is set when the boot is decided.

    `expected` is the sign of the last milestone: reaching it is the boot's success. `out_of_time`: the guest gave up
    waiting for a device.
    """

    def __init__(
        self, signs: Sequence[Sign], fatals: Sequence[Fatal], log: Log, log_limit_bytes: int = LOG_LIMIT_BYTES
    ) -> None:
        self._signs = tuple(signs)
        self._order = ("", *(sign.milestone for sign in signs))
        self._fatals = tuple(fatals)
        self._text = Text()
        self._log = log
        self._log_limit_bytes = log_limit_bytes
        self._logged_bytes = 0
        self._phase = 0
        self.milestones: list[Milestone] = []
        self.recent: deque[str] = deque(maxlen=_REMEMBERED_LINES)
        self.heard_bytes = 0
        self.ending: Ending | None = None
        self.out_of_time = False

    @property
    def phase(self) -> str:
        """The last milestone reached, or an empty string."""
        return self._order[self._phase]

    def feed(self, data: bytes, seconds: float) -> None:
        """What was heard `seconds` after the start. After the ending, it is only logged."""
        self.heard_bytes += len(data)
        self._keep(data)
        for line in self._text.feed(data):
            self._look(line, seconds, finished=True)
        if self._text.line.strip():
            self._look(self._text.line, seconds, finished=False)

    def reach(self, milestone: str, seconds: float) -> None:
        """Note a milestone that was seen by other means than the console."""
        if self._order.index(milestone) > self._phase:
            self._phase = self._order.index(milestone)
            self.milestones.append(Milestone(name=milestone, seconds=round(seconds, 2)))

    def reached(self, milestone: str) -> bool:
        """Whether that milestone, or a later one, was reached."""
        return self._phase >= self._order.index(milestone)

    def recall(self, *parts: bytes) -> None:
        """Put what was said earlier, elsewhere, into the log only."""
        for part in parts:
            self._keep(part)

    def close(self, end: BootEnd, blames: Blame | None, why: str, seconds: float) -> Ending:
        """End the boot from outside; the unfinished line is looked at first. Returns the ending."""
        if self.ending is None:
            self._look(self._text.line, seconds, finished=True)
        if self.ending is None:
            self.ending = Ending(end, blames, f"{why}; {self.where()}")
        return self.ending

    def where(self) -> str:
        """The last milestone and the last words, for a message."""
        reached = f"last milestone: {self.phase}" if self.phase else "no milestone was reached"
        last = self._text.line.strip() or (self.recent[-1] if self.recent else "")
        return f"{reached}; last line: {last[:160]!r}" if last else f"{reached}; no console output"

    def _keep(self, data: bytes) -> None:
        room = self._log_limit_bytes - self._logged_bytes
        if room <= 0:
            return
        self._log.write(data[:room])
        self._logged_bytes += len(data)
        if self._logged_bytes >= self._log_limit_bytes:
            self._log.write(_LOG_END)

    def _look(self, line: str, seconds: float, *, finished: bool) -> None:
        if self.ending is not None:
            return
        self.out_of_time = self.out_of_time or bool(_OUT_OF_TIME.search(line))
        for fatal in self._fatals:
            if self.phase in fatal.phases and (finished or fatal.prompt) and fatal.pattern.search(line):
                said = f"the console said {line.strip()[:240]!r} ({fatal.name})"
                reached = f"last milestone: {self.phase}" if self.phase else "no milestone was reached"
                self.ending = Ending(fatal.end, fatal.blames, f"{said}{self._cause(line)}; {reached}")
                break
        else:
            self._advance(line, seconds)
        if finished and line.strip():
            self.recent.append(line.strip())

    def _cause(self, line: str) -> str:
        """An error that was said shortly before is often nearer to the cause."""
        causes = [text for text in self.recent if _CAUSE.search(text) and text not in line]
        return f", after {causes[0][:160]!r}" if causes else ""

    def _advance(self, line: str, seconds: float) -> None:
        last = len(self._order) - 1
        for number in range(last, self._phase, -1):
            sign = self._signs[number - 1]
            if self._phase >= self._order.index(sign.after) and sign.pattern.search(line):
                self.reach(sign.milestone, seconds)
                if number == last:
                    self.ending = Ending(BootEnd.REACHED, None, f"{line.strip()[-160:]!r} was seen")
                return
