"""Follows a running machine to the end of its boot, within limits that fit how fast this machine is now."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from imagebuild.errors import Interrupted
from imagebuild.report import Boot, BootEnd, Outcome
from imagebuild.verify import signs
from imagebuild.verify.console import Console, Ending
from imagebuild.verify.machine import Machine

# A busy machine was seen to be silent for more than 90 s between the loader's last word and the kernel's first.
SILENCE_SECONDS = 150.0
# Beyond this, a machine is not slow but stuck.
_SLOWEST = 8.0


@dataclass
class Pace:
    """How much slower than a quiet two-core machine without KVM this machine is now; at least 1. Limits grow by it."""

    factor: float = 1.0

    def measured(self, seconds: float, nominal_seconds: float) -> None:
        """Something that nominally takes so long took `seconds`."""
        self.factor = min(max(self.factor, seconds / nominal_seconds), _SLOWEST)


@dataclass(frozen=True, slots=True)
class Yardstick:
    """The seconds that a milestone takes nominally: what the pace is measured by."""

    milestone: str
    nominal_seconds: float


@dataclass
class Follower:
    """Feeds a console from its machine. `note` is told of each milestone; `stop` ends it from another thread."""

    console: Console
    machine: Machine
    timeout_seconds: float
    pace: Pace
    note: Callable[[str, float], None]
    stop: threading.Event
    yardstick: Yardstick | None = None
    _told: int = 0
    _heard_at: float = 0.0

    def follow(self, until: str | None = None) -> Ending | None:
        """To the boot's end, or (returning None) to the milestone `until`. Raises Interrupted when told to stop."""
        while self.console.ending is None:
            if self.stop.is_set():
                raise Interrupted("the boot was stopped")
            data = self.machine.hear()
            now = self.machine.seconds()
            if data is None:
                return self._ended(now)
            if data:
                self._heard_at = now
                self.console.feed(data, now)
                self._tell()
                if until is not None and self.console.phase == until and self.console.ending is None:
                    return None
            self._check_limits(now)
        return self.console.ending

    def listen_again(self) -> None:
        """The machine was silent for a good reason: that does not count."""
        self._heard_at = self.machine.seconds()

    def _tell(self) -> None:
        for milestone in self.console.milestones[self._told :]:
            self.note(milestone.name, milestone.seconds)
            if self.yardstick and milestone.name == self.yardstick.milestone:
                self.pace.measured(milestone.seconds, self.yardstick.nominal_seconds)
        self._told = len(self.console.milestones)

    def _check_limits(self, now: float) -> None:
        limit, silence = self.timeout_seconds * self.pace.factor, SILENCE_SECONDS * self.pace.factor
        if now > limit:
            why = f"nothing decisive was heard within {limit:.0f} s"
        elif now - self._heard_at > silence:
            why = f"nothing was heard for {silence:.0f} s"
        else:
            return
        self.console.close(BootEnd.TIMEOUT, None, why, now)

    def _ended(self, now: float) -> Ending:
        """QEMU has ended: by the guest's own doing (exit code 0), or by a fault of its own."""
        code = self.machine.exit_code()
        if code != 0:
            complaints = self.machine.complaints().replace("\n", "; ")
            return self.console.close(BootEnd.CLOSED, "machine", f"QEMU ended with {code}: {complaints}", now)
        return self.console.close(BootEnd.CLOSED, None, "the machine switched itself off or restarted", now)


def outcome_of(boot: Boot, ending: Ending) -> Outcome | None:
    """Passed, failed, or None where the boot says nothing about the image.

    A machine that switched itself off is the image's doing only once its kernel had started.
    """
    if boot.end is BootEnd.REACHED:
        return Outcome.PASSED
    if ending.blames == "image":
        return Outcome.FAILED
    started = any(milestone.name in (signs.KERNEL, signs.ROOT, signs.INIT) for milestone in boot.milestones)
    if boot.machine == "qemu" and boot.end is BootEnd.CLOSED and ending.blames is None and started:
        return Outcome.FAILED
    return None
