"""What a user sees, and what the log keeps: plain lines, and failures of either that end the run in good order."""

from __future__ import annotations

import errno
import io
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imagebuild.cli.terminal import NowAndThen, PlainDisplay, choose_display, say, showing
from imagebuild.events import stage
from imagebuild.operations.journal import Journal, LogFile
from imagebuild.report import Outcome, Stage

NOW = datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC)


class Broken:
    """A display whose reader has gone away."""

    def __init__(self) -> None:
        self.closed = 0

    def waiting(self, name: str, line: str) -> None:
        raise BrokenPipeError

    def stage_started(self, name: str) -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    def stage_finished(self, stage: Stage) -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    def note(self, line: str, outcome: Outcome | None = None) -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    def close(self) -> None:
        self.closed += 1
        raise OSError(errno.EIO, "Input/output error")


def test_plain_lines_have_a_time_and_no_escapes() -> None:
    stream = io.StringIO()
    journal = Journal(PlainDisplay(stream, now=lambda: NOW))
    with stage(journal, "root tree"):
        journal.note("passed \x1b[2J")
        journal.log("only for the log")
    assert stream.getvalue().splitlines() == [
        "2024-02-03T04:05:06Z root tree …",
        "2024-02-03T04:05:06Z passed \N{REPLACEMENT CHARACTER}[2J",
        "2024-02-03T04:05:06Z root tree: 0.0 s",
    ]
    assert [stage.name for stage in journal.stages] == ["root tree"]


def test_the_log_has_every_line(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "build.log", now=lambda: NOW)
    Journal(PlainDisplay(io.StringIO()), log).log("two\nlines \udc80")
    log.close()
    assert (tmp_path / "build.log").read_text().splitlines() == [
        "2024-02-03T04:05:06Z two", "2024-02-03T04:05:06Z lines ?",
    ]  # fmt: skip


def test_an_error_on_another_thread_reaches_the_main_one() -> None:
    journal = Journal(Broken())
    thread = threading.Thread(target=journal.note, args=("from a console",))
    thread.start()
    thread.join()
    with pytest.raises(BrokenPipeError):
        journal.log("from the main thread")
    journal.log("said once")


def test_a_boot_that_takes_long_is_heard_of_once_a_minute() -> None:
    now = [0.0]
    due = NowAndThen(lambda: now[0])
    heard = []
    for second in range(0, 200, 5):
        now[0] = float(second)
        heard += [(name, second) for name in ("qemu boot", "xen boot") if due(name)]
    assert heard == [(name, second) for second in (60, 120, 180) for name in ("qemu boot", "xen boot")]


def test_a_display_that_cannot_be_closed_hides_no_error() -> None:
    display = Broken()
    with pytest.raises(KeyError), showing(display):
        raise KeyError
    assert display.closed == 1


def test_a_pipe_gets_plain_lines() -> None:
    stream = io.StringIO()
    assert isinstance(choose_display(stream), PlainDisplay)
    say([[("web: ", "bold"), ("passed", "green")], []], stream)
    assert stream.getvalue() == "web: passed\n\n"
