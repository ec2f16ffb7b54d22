"""A time limit ends whatever it is that takes long."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest

from imagebuild.errors import BuildError, VerifyError
from imagebuild.host import command
from imagebuild.host.time_limit import at_most


def _compute() -> None:
    while True:
        pass


def _be_deaf() -> None:
    """As a C library's call that sits out every signal, until the program that it talks to has ended."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    try:
        assert command.attempt(["sleep", "600"]).exit_code != 0
        raise BuildError("the appliance has gone")
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})


@pytest.mark.parametrize(
    "work",
    [lambda: time.sleep(600), _compute, lambda: command.run(["sleep", "600"], doing="sleeping"), _be_deaf],
    ids=["sleeping", "computing", "a program", "a library"],
)
def test_the_limit_ends_it(work: Callable[[], None]) -> None:
    before = signal.getsignal(signal.SIGALRM)
    with (
        pytest.raises(VerifyError, match=r"reading did not end within 0\.1 s"),
        at_most(0.1, "reading", "give it more"),
    ):
        work()
    assert signal.getsignal(signal.SIGALRM) == before


def test_what_is_in_time_is_left_alone() -> None:
    with at_most(60, "reading", ""):
        pass
    with pytest.raises(BuildError, match="other"), at_most(60, "reading", ""):
        raise BuildError("other")
