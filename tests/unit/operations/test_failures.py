"""An error as lines for the screen and the log, and as an event for another process of ours."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from imagebuild.errors import BuildError, HostError, PlanError, RecipeError, UsageError, VerifyError
from imagebuild.events import Failed, read_event
from imagebuild.operations.failures import failure_of

LOG = Path("build.log")


def raised(error: BaseException) -> BaseException:
    """With a traceback."""
    try:
        raise error
    except BaseException as caught:
        return caught


@pytest.mark.parametrize(
    ("error", "log", "debug", "last"),
    [
        (BuildError("failed", resolution="again"), None, False, "what to do: again"),
        (BuildError("failed"), LOG, False, "log: build.log"),
        (BuildError("failed"), LOG, True, "imagebuild.errors.BuildError: failed"),
        (ZeroDivisionError("oh"), LOG, False, "what to do: please report this, with build.log"),
        (ZeroDivisionError("oh"), LOG, True, "ZeroDivisionError: oh"),
        (ZeroDivisionError("oh"), None, False, "ZeroDivisionError: oh"),
        (KeyboardInterrupt(), LOG, True, "interrupted: nothing was left behind; run the same command again"),
    ],
)
def test_the_last_line_on_the_screen(error: BaseException, log: Path | None, debug: bool, last: str) -> None:
    assert failure_of(raised(error), log).shown(debug=debug)[-1] == last


def test_the_log_has_the_traceback_of_a_fault_of_ours() -> None:
    assert "ZeroDivisionError: oh" in failure_of(raised(ZeroDivisionError("oh")), LOG).logged(debug=False)
    assert failure_of(raised(BuildError("failed")), LOG).logged(debug=False) == ["error: failed"]


@pytest.mark.parametrize(
    ("error", "network", "full"),
    [
        (
            BuildError("failed", details="apt: Temporary failure resolving 'mirror'"),
            "Temporary failure resolving",
            False,
        ),
        (VerifyError("failed", details="no route to host"), "no route to host", False),
        (HostError("the scheduler cannot be reached"), "", False),
        (OSError(errno.ENOSPC, "No space left on device", "out/web"), "", True),
        (BuildError("mke2fs failed", details="mke2fs: No space left on device"), "", True),
        (ZeroDivisionError("no space left"), "", False),
    ],
)
def test_what_is_to_blame_is_handed_on_as_data(error: BaseException, network: str, full: bool) -> None:
    event = failure_of(error).event()
    assert (event.network, event.disk_full) == (network, full)
    assert read_event(event.model_dump_json().encode()) == event


def test_an_event_of_a_later_version_is_read_and_another_line_is_none() -> None:
    assert read_event(b'{"event": "failed", "exit_code": 5, "lines": [], "new": 1}') == Failed(exit_code=5, lines=())
    assert [read_event(line) for line in (b"root tree \xe2\x80\xa6", b'{"event": "other"}', b"{}", b"")] == [None] * 4


def test_a_plan_error_keeps_its_key_beside_its_text() -> None:
    error = PlanError("boot.kernels", "vmlinuz: holds no kernel", place="web.yaml:3:1")
    assert (error.key, error.message) == ("boot.kernels", "vmlinuz: holds no kernel")
    assert error.brief == "web.yaml:3:1: boot.kernels: vmlinuz: holds no kernel"
    assert PlanError("", "no key").brief == "no key"


def test_a_mistake_on_the_command_line_is_one_of_a_recipe_to_whoever_catches_that() -> None:
    with pytest.raises(RecipeError) as caught:
        raise UsageError("--with", "found 'qemo'")
    assert failure_of(caught.value).lines == ("--with: found 'qemo'",)
