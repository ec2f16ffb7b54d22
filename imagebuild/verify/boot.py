"""Follows a running machine to the end of its boot, within limits that fit how fast this machine is now."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from imagebuild.errors import Interrupted
from imagebuild.formats.text import duration
from imagebuild.report import Boot, BootEnd, Outcome
from imagebuild.verify import signs
from imagebuild.verify.console import Console, Ending
from imagebuild.verify.machine import Machine

# A busy machine was seen to be silent for more than 90 s between the loader's last word and the kernel's first.
SILENCE_SECONDS = 150.0
# Beyond this, a machine is not slow but stuck.
_SLOWEST = 8.0
# From here on a guest's own limits (90 s for a device) say more of the host than of the image (seen at 2.5).
_BUSY = 1.5


@dataclass
class Pace:
    """How much slower than a quiet two-core machine without KVM this machine is now; at least 1. Limits grow by it."""

    factor: float = 1.0

    def measured(self, seconds: float, nominal_seconds: float) -> None:
        """Something that nominally takes so long took `seconds`."""
        self.factor = min(max(self.factor, seconds / nominal_seconds), _SLOWEST)


@dataclass
class Follower:
    """Feeds a console from its machine. `note` is told of each milestone; `stop` ends it from another thread.

    `yardsticks`: the seconds that a milestone takes nominally, by which the pace is measured.
    """

    console: Console
    machine: Machine
    timeout_seconds: float
    pace: Pace
    note: Callable[[str, float], None]
    stop: threading.Event
    yardsticks: Mapping[str, float] = field(default_factory=dict)
    _told: int = 0
    _heard_at: float = 0.0

    def follow(self) -> Ending:
        """To the boot's end. Raises Interrupted when told to stop."""
        while self.console.ending is None:
            self._hear()
        ending = self.console.ending
        if ending.blames == "image" and self.console.out_of_time and self.pace.factor >= _BUSY:
            why = (
                f"the guest timed out waiting for a device, on a machine {self.pace.factor:.1f} times slower than usual"
            )
            return replace(ending, blames="machine", detail=f"{why}; {ending.detail}")
        return ending

    def follow_to(self, milestone: str, limit_seconds: float = math.inf) -> bool:
        """To that milestone: whether it was reached within the limit, the boot being undecided. Raises as `follow`."""
        deadline = self.machine.seconds() + limit_seconds
        while self.console.ending is None and self.machine.seconds() < deadline:
            if self.console.reached(milestone):
                return True
            self._hear()
        return False

    def reach(self, *milestones: str) -> None:
        """Note milestones that are known to be reached without the console's word."""
        for milestone in milestones:
            self.console.reach(milestone, self.machine.seconds())
        self._told = len(self.console.milestones)

    def listen_again(self) -> None:
        """The machine was silent for a good reason: that does not count."""
        self._heard_at = self.machine.seconds()

    def _hear(self) -> None:
        if self.stop.is_set():
            raise Interrupted("the boot was stopped")
        data = self.machine.hear()
        now = self.machine.seconds()
        if data is None:
            self._ended(now)
            return
        if data:
            self._heard_at = now
            self.console.feed(data, now)
            self._tell()
        self._check_limits(now)

    def _tell(self) -> None:
        for milestone in self.console.milestones[self._told :]:
            self.note(milestone.name, milestone.seconds)
            if milestone.name in self.yardsticks:
                self.pace.measured(milestone.seconds, self.yardsticks[milestone.name])
        self._told = len(self.console.milestones)

    def _check_limits(self, now: float) -> None:
        limit, silence = self.timeout_seconds * self.pace.factor, SILENCE_SECONDS * self.pace.factor
        if now > limit:
            why = f"the boot was not decided within {duration(limit)} (limit reached)"
        elif now - self._heard_at > silence:
            why = f"no console output for {duration(silence)} (limit reached)"
        else:
            return
        self.console.close(BootEnd.TIMEOUT, None, why, now)

    def _ended(self, now: float) -> None:
        """QEMU has ended: by the guest's own doing (exit code 0), or by a fault of its own."""
        code = self.machine.exit_code()
        if code == 0:
            self.console.close(BootEnd.CLOSED, None, "the machine switched itself off or restarted", now)
            return
        complaints = self.machine.complaints().replace("\n", "; ")
        self.console.close(BootEnd.CLOSED, "machine", f"QEMU ended with {code}: {complaints}", now)


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
