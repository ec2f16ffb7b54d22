"""One junit.xml for a whole night: every recipe's own suites, and one suite that says how each recipe came out."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree

from imagebuild.formats.text import xml_text
from imagebuild.nightly.model import Night, Result, State
from imagebuild.pages.junit import TOTALS, document, junit_text
from imagebuild.report import Report


def junit_of_night(night: Night, reports: Mapping[str, Report]) -> str:
    """The whole document."""
    root = ElementTree.Element("testsuites", name=f"night {night.number}")
    root.append(_suite(night))
    for result in night.results:
        if result.name in reports and result.state is not State.UNCHANGED:
            root.extend(ElementTree.fromstring(junit_text(reports[result.name]).encode()))
    return document(root, night.seconds)


def _suite(night: Night) -> ElementTree.Element:
    suite = ElementTree.Element("testsuite", name="nightly", time=f"{night.seconds:.3f}")
    for result in night.results:
        suite.append(_case(result))
    if night.notes:
        ElementTree.SubElement(suite, "system-out").text = xml_text("\n".join(night.notes))
    cases = suite.findall("testcase")
    counts = [
        len(cases),
        *(sum(case.find(kind) is not None for case in cases) for kind in ("failure", "error", "skipped")),
    ]
    for total, count in zip(TOTALS, counts, strict=True):
        suite.set(total, str(count))
    return suite


def _case(result: Result) -> ElementTree.Element:
    case = ElementTree.Element(
        "testcase", classname="nightly", name=xml_text(result.name), time=f"{result.seconds:.3f}"
    )
    message = xml_text(result.message)
    first = message.partition("\n")[0]
    match result.state:
        case State.FAILED:
            ElementTree.SubElement(case, "failure", type="failed", message=first).text = message
        case State.BROKEN | State.UNVERIFIED | State.LOST:
            ElementTree.SubElement(case, "error", type=result.state.value, message=first).text = message
        case State.CHECKED if result.exit_code != 0:
            ElementTree.SubElement(case, "error", type=result.state.value, message=first).text = message
        case State.UNCHANGED | State.NOT_VERIFIED | State.CHECKED:
            ElementTree.SubElement(case, "skipped", message=first)
        case State.PASSED:
            if message:
                ElementTree.SubElement(case, "system-out").text = message
    return case
