"""The end of a boot: limits that fit the machine's speed, and whose fault each end is, by a fake machine."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from typing import cast

import pytest

from imagebuild.errors import Interrupted
from imagebuild.report import Boot, BootEnd, Loader, Milestone, Outcome
from imagebuild.verify import signs
from imagebuild.verify.boot import SILENCE_SECONDS, Follower, Pace, outcome_of
from imagebuild.verify.console import Blame, Console, Ending
from imagebuild.verify.machine import Machine

Said = tuple[float, bytes | None]


class FakeMachine:
    """Says each text at its time, then nothing. None: it has ended."""

    def __init__(self, *said: Said, exit_code: int = 0) -> None:
        self._said: Iterator[Said] = iter(said)
        self._now = 0.0
        self._code = exit_code

    def seconds(self) -> float:
        return self._now

    def hear(self) -> bytes | None:
        when, data = next(self._said, (self._now + 1, b""))
        self._now = when
        return data

    def exit_code(self) -> int:
        return self._code

    def complaints(self) -> str:
        return "qemu: a word"


def followed(machine: FakeMachine, *, timeout_seconds: float = 300, pace: Pace | None = None) -> Follower:
    console = Console(signs.qemu_signs("login:"), signs.GUEST_FATALS, io.BytesIO())
    follower = Follower(
        console, cast(Machine, machine), timeout_seconds, pace or Pace(), lambda name, seconds: None, threading.Event(),
        {signs.KERNEL: 2.0},
    )  # fmt: skip
    follower.follow()
    return follower


def ending(follower: Follower) -> Ending:
    assert follower.console.ending is not None
    return follower.console.ending


KERNEL = b"Linux version 6.1\n"


def test_the_expected_text_ends_the_boot() -> None:
    found = ending(followed(FakeMachine((1.0, KERNEL), (9.0, b"host login: "))))
    assert found.end is BootEnd.REACHED


def test_silence_has_its_own_limit() -> None:
    follower = followed(FakeMachine((1.0, KERNEL)))
    assert ending(follower).end is BootEnd.TIMEOUT
    assert "no console output for" in ending(follower).detail
    assert "last milestone: kernel" in ending(follower).detail
    assert follower.machine.seconds() == pytest.approx(1 + SILENCE_SECONDS, abs=2)


def test_a_console_that_never_stops_talking_meets_the_other_limit() -> None:
    talk = [(float(second), b"still here\n") for second in range(1, 1000)]
    follower = followed(FakeMachine((0.5, KERNEL), *talk))
    assert "the boot was not decided within 5 min 00 s (limit reached)" in ending(follower).detail
    assert ending(follower).blames is None


def test_limits_grow_with_the_slowness_of_the_machine() -> None:
    talk = [(float(second), b"still here\n") for second in range(9, 3000)]
    pace = Pace()
    follower = followed(FakeMachine((8.0, KERNEL), *talk), pace=pace)
    assert pace.factor == 4
    assert follower.machine.seconds() == pytest.approx(4 * 300, abs=2)


@pytest.mark.parametrize(("kernel_after", "blames"), [(2.0, "image"), (5.0, "machine")])
def test_a_guest_that_ran_out_of_time_on_a_busy_machine_is_no_bad_image(kernel_after: float, blames: Blame) -> None:
    """systemd's 90 seconds for /boot's device are the image's doing only where the machine is not slow."""
    said = b"[ TIME ] Timed out waiting for device /dev/disk/by-uuid/1.\nYou are in emergency mode. After logging in\n"
    machine = FakeMachine((kernel_after, KERNEL), (120.0, said))
    console = Console(signs.qemu_signs("login:"), signs.GUEST_FATALS, io.BytesIO())
    follower = Follower(
        console, cast(Machine, machine), 300, Pace(), lambda name, seconds: None, threading.Event(), {signs.KERNEL: 2.0}
    )
    found = follower.follow()
    assert found.blames == blames
    assert "You are in emergency mode" in found.detail


def test_a_stuck_machine_is_not_called_slow_without_end() -> None:
    pace = Pace()
    pace.measured(1000, 2)
    assert pace.factor == 8
    pace.measured(1, 2)
    assert pace.factor == 8


def test_a_machine_that_ends_with_an_error_is_to_blame_itself() -> None:
    found = ending(followed(FakeMachine((1.0, KERNEL), (2.0, None), exit_code=1)))
    assert (found.end, found.blames) == (BootEnd.CLOSED, "machine")
    assert "qemu: a word" in found.detail


def test_being_stopped_is_no_ending() -> None:
    follower = Follower(
        Console(signs.qemu_signs("login:"), (), io.BytesIO()), cast(Machine, FakeMachine()), 300, Pace(),
        lambda name, seconds: None, threading.Event(),
    )  # fmt: skip
    follower.stop.set()
    with pytest.raises(Interrupted):
        follower.follow()


@pytest.mark.parametrize(
    ("machine", "end", "blames", "milestones", "outcome"),
    [
        ("xen", BootEnd.REACHED, None, "kernel", Outcome.PASSED),
        ("xen", BootEnd.FATAL, "image", "loader", Outcome.FAILED),
        ("xen", BootEnd.FATAL, "machine", "xen", None),
        ("xen", BootEnd.CLOSED, "image", "kernel", Outcome.FAILED),
        ("xen", BootEnd.CLOSED, None, "kernel", None),
        ("xen", BootEnd.TIMEOUT, None, "kernel", None),
        ("qemu", BootEnd.CLOSED, None, "kernel", Outcome.FAILED),
        ("qemu", BootEnd.CLOSED, None, "", None),
        ("qemu", BootEnd.CLOSED, "machine", "kernel", None),
        ("qemu", BootEnd.TIMEOUT, None, "init", None),
    ],
)
def test_whose_fault_an_end_is(
    machine: str, end: BootEnd, blames: Blame | None, milestones: str, outcome: Outcome | None
) -> None:
    boot = Boot(
        machine=machine,
        end=end,
        milestones=tuple(Milestone(name=name, seconds=1) for name in milestones.split()),
        console="console.log",
        loader=Loader(kind="direct", version="1"),
        seconds=2,
    )
    assert outcome_of(boot, Ending(end, blames, "")) is outcome
