"""What is said while a boot runs."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from imagebuild.verify import live


def test_the_last_line_without_control_sequences(tmp_path: Path) -> None:
    console = tmp_path / "console.log"
    assert live.last_line(console) == ""
    console.write_bytes(b"x" * 9000 + b"\r\nStarting \x1b[1mnetworking\x1b[0m\r\n\r\n")
    assert live.last_line(console) == "Starting networking"
    console.write_bytes(b"one\ntwo is not finished")
    assert live.last_line(console) == "two is not finished"


def test_the_limit_is_said(tmp_path: Path) -> None:
    assert live.state(133, 450, "Reached target") == "2 min 13 s (limit 7 min 30 s); last line: Reached target"
    assert live.state(1, 300, "") == "1.0 s (limit 5 min 00 s); no console output yet"


def test_it_ends_with_the_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_PAUSE_SECONDS", 0.001)
    heard, said = threading.Event(), []

    def say(line: str) -> None:
        said.append(line)
        heard.set()

    with live.shown_live(tmp_path / "console.log", say, lambda: 300):
        assert heard.wait(60)
    assert "no console output yet" in said[0]
    assert not [thread for thread in threading.enumerate() if thread.name == "live"]
