"""junit.xml: the report in the form that CI systems show. One testsuite for each machine, one testcase for each check.

The form is the one that Jenkins and GitLab read (Jenkins' xunit-plugin, junit-10.xsd). An image that no boot
has proven must not look like a passed one: the reason is a testcase of its own, an error, or a skip where the user
asked for no more.
"""

from __future__ import annotations

from collections import Counter
from xml.etree import ElementTree

from imagebuild.formats.text import xml_text
from imagebuild.report import VERDICT_WORDS, Boot, Check, Outcome, Report, Verdict
from imagebuild.vocabulary import MACHINES, MachineName

TOTALS = ("tests", "failures", "errors", "skipped")


def junit_text(report: Report) -> str:
    """The whole document."""
    root = ElementTree.Element("testsuites", name=xml_text(report.name))
    for machine in MACHINES:
        checks = [check for check in report.checks if check.machine == machine]
        boots = [boot for boot in report.boots if boot.machine == machine]
        if checks or boots:
            root.append(_suite(report, machine, checks, boots))
    if report.unverified_because:
        root.append(_unproven(report))
    return document(root, sum(float(suite.get("time", "0")) for suite in root))


def document(root: ElementTree.Element, seconds: float) -> str:
    """The text of a `testsuites` element, with the totals of its suites."""
    for total in TOTALS:
        root.set(total, str(sum(int(suite.get(total, "0")) for suite in root)))
    root.set("time", f"{seconds:.3f}")
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _suite(report: Report, machine: MachineName, checks: list[Check], boots: list[Boot]) -> ElementTree.Element:
    outcomes = [check.outcome for check in checks]
    suite = ElementTree.Element(
        "testsuite",
        name=xml_text(f"{report.name}.{machine}"),
        tests=str(len(checks)),
        failures=str(outcomes.count(Outcome.FAILED)),
        errors="0",
        skipped=str(outcomes.count(Outcome.SKIPPED)),
        time=f"{sum(check.seconds for check in checks):.3f}",
    )
    properties = ElementTree.SubElement(suite, "properties")
    _property(properties, "verdict", VERDICT_WORDS[report.verdict])
    _property(properties, "image.sha256", report.image.sha256)
    _property(properties, "imagebuild.version", report.imagebuild_version)
    for boot in boots:
        _boot_properties(properties, boot)
    seen: Counter[str] = Counter()
    for check in checks:
        seen[check.name] += 1  # CI systems take two cases of one name for the same: the second is "name 2"
        name = check.name if seen[check.name] == 1 else f"{check.name} {seen[check.name]}"
        suite.append(_case(report, check, name))
    return suite


def _boot_properties(properties: ElementTree.Element, boot: Boot) -> None:
    word = "boot" if boot.proves == "default" else f"boot.{boot.proves}"
    _property(properties, f"{word}.console", boot.console)
    _property(properties, f"{word}.end", boot.end)
    _property(properties, f"{word}.seconds", f"{boot.seconds:.3f}")
    _property(properties, f"{word}.loader", f"{boot.loader.kind} {boot.loader.version}".strip())
    if boot.loader.sha256:
        _property(properties, f"{word}.loader.sha256", boot.loader.sha256)
    for milestone in boot.milestones:
        _property(properties, f"{word}.milestone.{milestone.name}", f"{milestone.seconds:.3f}")


def _property(parent: ElementTree.Element, name: str, value: str) -> None:
    ElementTree.SubElement(parent, "property", name=xml_text(name), value=xml_text(value))


def _case(report: Report, check: Check, name: str) -> ElementTree.Element:
    case = ElementTree.Element(
        "testcase",
        classname=xml_text(f"{report.name}.{check.machine}"),
        name=xml_text(name),
        time=f"{check.seconds:.3f}",
    )
    detail = xml_text(check.detail)
    message = detail.partition("\n")[0]
    match check.outcome:
        case Outcome.FAILED:
            ElementTree.SubElement(case, "failure", type="failed", message=message).text = detail
        case Outcome.SKIPPED:
            ElementTree.SubElement(case, "skipped", message=message)
        case Outcome.WARNED:
            ElementTree.SubElement(case, "system-out").text = f"warning: {detail}"
        case Outcome.PASSED:
            if detail:
                ElementTree.SubElement(case, "system-out").text = detail
    return case


def _unproven(report: Report) -> ElementTree.Element:
    asked_for = report.as_asked
    name = "booted" if report.verdict is Verdict.CHECKED else "verified"
    suite = ElementTree.Element(
        "testsuite",
        name=xml_text(f"{report.name}.verification"),
        tests="1",
        failures="0",
        errors="0" if asked_for else "1",
        skipped="1" if asked_for else "0",
        time="0.000",
    )
    case = ElementTree.SubElement(
        suite, "testcase", classname=xml_text(f"{report.name}.verification"), name=name, time="0.000"
    )
    words = f"{VERDICT_WORDS[report.verdict]}: " if report.verdict is Verdict.CHECKED else ""
    to_do = f"\nwhat to do: {report.remedy}" if report.remedy else ""
    reason = xml_text(words + report.unverified_because + to_do)
    if asked_for:
        ElementTree.SubElement(case, "skipped", message=reason.partition("\n")[0])
    else:
        error = ElementTree.SubElement(case, "error", type=report.verdict.value, message=reason.partition("\n")[0])
        error.text = reason
    return suite
