"""What needs no process: the summary page, the history's clock, the network's signs, stages, the object lock."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from imagebuild.errors import BuildError, HostError
from imagebuild.events import StageFinished, StageStarted
from imagebuild.host.capabilities import Capability
from imagebuild.nightly.history import clock_note, jump_note
from imagebuild.nightly.junit import junit_of_night
from imagebuild.nightly.lock import hold_object
from imagebuild.nightly.model import Night, Result, State
from imagebuild.nightly.page import summary_html
from imagebuild.nightly.worker import jobs_that_fit, offered
from imagebuild.operations.causes import sign_of_the_network
from imagebuild.operations.child import Stages
from imagebuild.report import Stage

HOSTILE = "<script>alert(1)</script>\x1b[2J\x00 \"'> &amp; \u202e<svg onload=x>"
NOW = datetime(2026, 11, 24, 2, tzinfo=UTC)


def result(name: str, state: State = State.PASSED, code: int = 0, **more: object) -> Result:
    return Result.model_validate({"name": name, "recipe": f"{name}.yaml", "state": state, "exit_code": code, **more})


def night(number: int, *results: Result, notes: tuple[str, ...] = ()) -> Night:
    return Night(number=number, begun="2026-11-24T02:00:00Z", seconds=60.0, results=results, notes=notes)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.attributes: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)
        self.attributes += [name for name, _ in attrs]


def test_hostile_text_stays_text() -> None:
    bad = result(HOSTILE, State.BROKEN, 5, message=HOSTILE, recipe=HOSTILE, worker=HOSTILE, image_sha256=HOSTILE)
    bad = bad.model_copy(update={"boot_seconds": {HOSTILE: 3.0}})
    page = summary_html([night(1, bad, notes=(HOSTILE,)), night(2, bad, notes=(HOSTILE,))])
    tags = Tags()
    tags.feed(page)
    assert tags.found.count("script") == 1, "our own, which is empty"
    assert re.search(r"<script>\s*</script>", page)
    assert "script-src" not in page
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    assert not any(name.startswith("on") for name in tags.attributes)
    assert not {"\x1b", "\x00", "\u202e"} & set(page)
    ElementTree.fromstring(junit_of_night(night(1, bad, notes=(HOSTILE,)), {}).encode())


def test_the_page_tells_the_worst_first_and_draws_trends() -> None:
    nights = [
        night(number, result("web", real_bytes=number * 10**6, build_seconds=20.0, boot_seconds={"xen": 30.0 + number}),
              result("db", State.FAILED, 10, message="static: menu")) for number in range(1, 6)
    ]  # fmt: skip
    page = summary_html(nights)
    assert page.index(">db<") < page.index(">web<")
    assert page.count('<svg class="trend"') == 3
    assert "1 of 2 did not pass" in page
    assert "prefers-color-scheme: dark" in page
    assert 'name="viewport"' in page


def test_junit_counts() -> None:
    every = night(
        1, *(result(state, state, 0 if state in ("passed", "not-verified", "unchanged") else 5) for state in State)
    )
    root = ElementTree.fromstring(junit_of_night(every, {}).encode())
    assert {key: root.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "7", "failures": "1", "errors": "3", "skipped": "2",
    }  # fmt: skip


def test_what_was_not_verified_is_not_called_well() -> None:
    page = summary_html([night(1, result("web"), result("db", State.NOT_VERIFIED, message="--no-verify"))])
    assert "1 of 2 built and not verified" in page
    assert 'class="state not-verified">not verified<' in page
    assert "All passed" not in page


def test_a_clock_that_is_set_back_is_told() -> None:
    assert clock_note([night(1)], NOW + timedelta(hours=1)) == ""
    assert "set back" in clock_note([night(1)], NOW - timedelta(days=1))
    assert jump_note(NOW, NOW + timedelta(seconds=100), 100) == ""
    assert "set back" in jump_note(NOW, NOW - timedelta(hours=1), 100)
    assert "set forward" in jump_note(NOW, NOW + timedelta(hours=3), 100)


@pytest.mark.parametrize(
    ("text", "blamed"),
    [
        ("W: Temporary failure resolving 'mirror.example'", True),
        ("Could not connect to mirror.example:80", True),
        ("E: Failed to fetch … Hash Sum mismatch", True),
        ("503  Service Unavailable", True),
        ("the mirror cannot be reached", True),
        ("mke2fs: no room for inodes", False),
        ("a package does not exist in this suite", False),
        ("passwd: 5034 service units", False),
    ],
)
def test_signs_of_the_network(text: str, blamed: bool) -> None:
    assert bool(sign_of_the_network(text)) == blamed


def test_a_stage_is_measured_from_its_own_beginning() -> None:
    now = [0.0]
    stages = Stages(lambda: now[0])
    stages.hear(StageStarted(name="root tree"))
    now[0] = 50
    assert stages.longer_than(60) == ""
    stages.hear(StageFinished(stage=Stage(name="root tree", seconds=50.0)))
    stages.hear(StageStarted(name="qemu boot"))
    stages.hear(StageStarted(name="xen boot"))
    now[0] = 100
    stages.hear(StageFinished(stage=Stage(name="qemu boot", seconds=50.0)))
    assert stages.longer_than(60) == ""
    now[0] = 111
    assert stages.longer_than(60) == "xen boot"
    stages.hear(StageFinished(stage=Stage(name="xen boot", seconds=61.0)))
    now[0] = 180
    assert stages.longer_than(60) == "between two stages"


class Objects(dict[str, bytes]):
    url = "memory://"

    def read(self, name: str) -> bytes | None:
        return self.get(name)

    def write(self, name: str, content: bytes) -> None:
        self[name] = content

    def remove(self, name: str) -> None:
        self.pop(name, None)


def test_the_lock_of_a_living_night_is_respected_and_a_dead_ones_is_taken_over() -> None:
    objects = Objects()
    with (
        hold_object(objects, "lock", 0.05),
        pytest.raises(BuildError, match="another run"),
        hold_object(objects, "lock", 0.2),
    ):
        raise AssertionError("two at once")
    assert objects == {}
    objects["lock"] = b"of a night that was killed"
    with hold_object(objects, "lock", 0.05):
        assert objects["lock"] != b"of a night that was killed"


def test_jobs_and_resources() -> None:
    gib = 2**30
    assert [jobs_that_fit(*machine) for machine in ((2, 24 * gib), (16, 12 * gib), (32, 512 * gib), (1, gib))] == [
        1, 3, 16, 1,
    ]  # fmt: skip
    names = ("mmdebstrap", "namespace", "parted", "e2fsprogs", "disk-tools", "cache", "qemu", "guestfs")
    found = [Capability(name, "ok", "tried") for name in names]
    boots = dict.fromkeys(("qemu", "xen", "pvh", "bios"), 3)
    assert offered(found, 3) == {"build": 3, "guestfs": 3, **boots}
    assert "uefi" in offered([*found, *(Capability(name, "ok", "tried") for name in ("ovmf", "fat-tools"))], 1)
    assert "kvm" in offered([*found, Capability("acceleration", "ok", "tried")], 1)
    with pytest.raises(HostError, match="namespace"):
        offered([Capability("namespace", "lacking", "tried: no"), *(f for f in found if f.name != "namespace")], 1)
