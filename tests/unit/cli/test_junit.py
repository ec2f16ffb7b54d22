"""junit.xml is well formed whatever a console said, and an unverified image never looks like a passed one."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from imagebuild.pages.junit import junit_text
from imagebuild.report import Boot, BootEnd, Check, ImageFacts, Loader, Milestone, Outcome, Report, Verdict

IMAGE = ImageFacts(path="web.raw", sha256="0" * 64, size_bytes=1, real_bytes=1)


def report(*checks: Check, because: str = "", boots: tuple[Boot, ...] = (), asked: bool = True) -> Report:
    verdict = Verdict.UNVERIFIED if because else Verdict.PASSED
    return Report(name="web", verdict=verdict, image=IMAGE, checks=checks, boots=boots, unverified_because=because,
                  verify_asked=asked)  # fmt: skip


def parse(of: Report) -> ElementTree.Element:
    return ElementTree.fromstring(junit_text(of).encode())


def test_one_suite_for_each_machine_and_the_evidence_of_each_check() -> None:
    root = parse(
        report(
            Check(machine="static", name="menu", outcome=Outcome.PASSED, detail="3 entries", seconds=1.5),
            Check(machine="static", name="kernel", outcome=Outcome.FAILED, detail="lz4\nat offset 0x4000"),
            Check(machine="xen", name="login", outcome=Outcome.SKIPPED, detail="no kernel"),
            Check(machine="xen", name="slow", outcome=Outcome.WARNED, detail="took long"),
        )
    )
    assert {key: root.get(key) for key in ("tests", "failures", "errors", "skipped", "time")} == {
        "tests": "4", "failures": "1", "errors": "0", "skipped": "1", "time": "1.500",
    }  # fmt: skip
    assert [suite.get("name") for suite in root] == ["web.static", "web.xen"]
    failure = root.find(".//failure")
    assert failure is not None
    assert (failure.get("message"), failure.text) == ("lz4", "lz4\nat offset 0x4000")
    skipped = root.find(".//skipped")
    assert skipped is not None
    assert skipped.get("message") == "no kernel"
    assert [out.text for out in root.iter("system-out")] == ["3 entries", "warning: took long"]


def test_cases_have_names_of_their_own() -> None:
    check = Check(machine="static", name="holes", outcome=Outcome.PASSED, detail="")
    assert [case.get("name") for case in parse(report(check, check)).iter("testcase")] == ["holes", "holes 2"]


def test_a_boot_is_told_as_properties() -> None:
    boot = Boot(
        machine="xen", end=BootEnd.REACHED, milestones=(Milestone(name="login", seconds=55.1),),
        console="console-xen.log", loader=Loader(kind="stand-in", version="2.06", sha256="1" * 64), seconds=56,
    )  # fmt: skip
    properties = {item.get("name"): item.get("value") for item in parse(report(boots=(boot,))).iter("property")}
    assert properties["boot.console"] == "console-xen.log"
    assert properties["boot.loader"] == "stand-in 2.06"
    assert properties["boot.milestone.login"] == "55.100"
    assert properties["image.sha256"] == IMAGE.sha256


def test_unverified_is_an_error() -> None:
    root = parse(report(because="the test host\ncould not be made"))
    assert (root.get("errors"), root.get("tests")) == ("1", "1")
    error = root.find(".//error")
    assert error is not None
    assert error.get("message") == "the test host"


def test_unverified_as_asked_for_is_a_skip() -> None:
    root = parse(report(because="--no-verify", asked=False))
    assert (root.get("errors"), root.get("skipped")) == ("0", "1")


@given(st.text(), st.text(), st.sampled_from(Outcome))
def test_any_text_gives_well_formed_xml(name: str, detail: str, outcome: Outcome) -> None:
    root = parse(report(Check(machine="qemu", name=name, outcome=outcome, detail=detail), because=detail))
    assert root.get("tests") == ("2" if detail else "1")


def test_control_characters_and_surrogates() -> None:
    hostile = "\x1b[31m\x00]]>&<\udcff\ufffe"
    root = parse(report(Check(machine="qemu", name="x", outcome=Outcome.FAILED, detail=hostile)))
    failure = root.find(".//failure")
    assert failure is not None
    assert failure.text == "\ufffd[31m\ufffd]]>&<\ufffd\ufffd"
