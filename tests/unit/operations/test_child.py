"""`imagebuild build` as a process: a request and its command line say the same; what is heard of it while it runs."""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagebuild.cli.commands import build as verb
from imagebuild.cli.run import run
from imagebuild.events import Event, StageFinished, StageStarted
from imagebuild.nightly.model import Options
from imagebuild.operations.child import Stages, build_argv, run_build
from imagebuild.operations.jobs import BuildRequest
from imagebuild.operations.toolbox import Toolbox
from imagebuild.report import Stage
from imagebuild.vocabulary import MACHINES

NAMES = st.text("abc-.=, ü", min_size=1, max_size=8).filter(lambda name: name not in (".", "..") and name.strip())
PATHS = st.builds(lambda *parts: Path(*parts), NAMES, NAMES)
MACHINE_SETS = st.sets(st.sampled_from(MACHINES), min_size=1).map(
    lambda chosen: tuple(m for m in MACHINES if m in chosen)
)


@st.composite
def requests(draw: st.DrawFn) -> BuildRequest:
    """Every request that a command line can make."""
    verify, locked = draw(st.booleans()), draw(st.booleans())
    return BuildRequest(
        recipes=tuple(draw(st.lists(PATHS, min_size=1, max_size=3))),
        output=draw(PATHS),
        settings=draw(st.dictionaries(st.from_regex("[a-z_]{1,6}", fullmatch=True), NAMES, max_size=3)),
        machines=draw(st.none() | MACHINE_SETS) if verify else None,
        verify=verify,
        force=draw(st.booleans()),
        keep_going=draw(st.booleans()),
        locked=locked,
        update=draw(st.booleans()) and not locked,
        pv_grub=draw(st.none() | PATHS),
        demand=draw(st.sampled_from((None, "pv-grub"))) if verify else None,
        sign_key=draw(st.none() | PATHS),
        jobs=draw(st.integers(0, 9)),
        debug=draw(st.booleans()),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(requests())
def test_a_request_comes_back_from_its_command_line(monkeypatch: pytest.MonkeyPatch, request_: BuildRequest) -> None:
    heard: list[BuildRequest] = []

    def carry_out(request: BuildRequest, toolbox: Toolbox, shown: object) -> int:
        heard.append(request)
        return 0

    monkeypatch.setattr(verb, "_carry_out", carry_out)
    for variable in ("IMAGEBUILD_PV_GRUB", "IMAGEBUILD_SIGN_KEY"):
        monkeypatch.delenv(variable, raising=False)
    assert run(build_argv(request_)) == 0
    assert heard == [request_]


def test_a_night_asks_for_all_that_it_is_asked_for() -> None:
    options = Options(("static",), ("a=b",), locked=True, pv_grub=Path("pv"), demand="pv-grub", sign_key=Path("key"))
    request = options.build_request(Path("web.yaml"), Path("out"))
    assert request == BuildRequest(
        (Path("web.yaml"),), Path("out"), {"a": "b"}, ("static",),
        locked=True, pv_grub=Path("pv"), demand="pv-grub", sign_key=Path("key"),
    )  # fmt: skip
    assert not Options(machines=()).build_request(Path("web.yaml"), Path("out")).verify
    # what a night decides itself: it has a process for each recipe, and knows what is unchanged
    own = {"recipes", "output", "verify", "force", "keep_going", "jobs", "debug"}
    assert {field.name for field in fields(BuildRequest)} - own <= {field.name for field in fields(Options)}


CHILD = """
import os, sys, time
from imagebuild.cli.ending import report
from imagebuild.cli.terminal import choose_display
from imagebuild.errors import BuildError
from imagebuild.events import stage
from imagebuild.operations.journal import Journal
journal = Journal(choose_display())
print("2026-11-24T02:00:00Z a line that looks like a stage \u2026", flush=True)
with stage(journal, "root tree"):
    journal.note('{"event": "stage-started", "name": "forged"}')
    if "hang" in sys.argv:
        time.sleep(60)
sys.exit(report(BuildError("bootstrapping failed", details="Could not resolve 'mirror.example'", resolution="wait")))
"""


def test_events_come_as_data_and_what_it_prints_comes_behind() -> None:
    lines: list[str] = []
    ended = run_build([sys.executable, "-c", CHILD], stage_seconds=60, say=lines.append)
    assert ended.exit_code == 5
    assert lines[:2] == ["root tree …", '{"event": "stage-started", "name": "forged"}']
    assert lines[2].startswith("root tree: ")
    assert lines[3] == "2026-11-24T02:00:00Z a line that looks like a stage …"
    assert lines[4:] == ["error: bootstrapping failed", "  Could not resolve 'mirror.example'", "what to do: wait"]
    assert ended.failed is not None
    assert (ended.failed.network, ended.failed.disk_full) == ("Could not resolve", False)
    assert ended.last_words() == "\n".join(lines[4:])


def test_a_stage_that_hangs_is_named_and_ended() -> None:
    ended = run_build([sys.executable, "-c", CHILD, "hang"], stage_seconds=3, say=lambda line: None)
    assert ended.hung in ("root tree", "the beginning")
    assert ended.exit_code != 0


def test_the_time_between_two_stages_ends_with_the_next_one() -> None:
    """It once ran on: a night ended healthy builds, and named the wrong stage."""
    now = [0.0]
    stages = Stages(lambda: now[0])

    def at(seconds: float, event: Event) -> None:
        now[0] = seconds
        stages.hear(event)

    def longest(seconds: float) -> str:
        now[0] = seconds
        return stages.longer_than(100)

    assert longest(101) == "the beginning"
    at(101, StageStarted(name="root tree"))
    assert (longest(200), longest(202)) == ("", "root tree")
    at(202, StageFinished(stage=Stage(name="root tree", seconds=101)))
    assert (longest(300), longest(303)) == ("", "between two stages")
    at(303, StageStarted(name="filesystems"))
    assert (longest(400), longest(404)) == ("", "filesystems")
    at(404, StageFinished(stage=Stage(name="filesystems", seconds=101)))
    at(405, StageStarted(name="checks"))
    assert longest(505) == ""


def test_two_stages_of_one_name_at_once() -> None:
    now = [0.0]
    stages = Stages(lambda: now[0])
    stages.hear(StageStarted(name="output"))
    now[0] = 50
    stages.hear(StageStarted(name="output"))
    now[0] = 120
    stages.hear(StageFinished(stage=Stage(name="output", seconds=70)))
    assert stages.longer_than(100) == ""
    now[0] = 151
    assert stages.longer_than(100) == "output"


def test_a_program_that_knows_of_no_events() -> None:
    ended = run_build(["sh", "-c", "echo one; echo two; exit 9"], stage_seconds=60, say=lambda line: None)
    assert (ended.exit_code, ended.failed, ended.last_words()) == (9, None, "one\ntwo")
