"""The last words of a run, as plain text."""

from __future__ import annotations

from pathlib import Path

from imagebuild.cli.summary import block, table
from imagebuild.operations.build import BuildResult
from imagebuild.report import Boot, BootEnd, Check, ImageFacts, Loader, Milestone, Outcome, Report, Verdict

IMAGE = ImageFacts(path="web.raw", sha256="0" * 64, size_bytes=2**31, real_bytes=600 * 2**20)


def text(lines: list[object]) -> list[str]:
    return ["".join(part for part, _style in line) for line in lines]  # type: ignore[attr-defined]


def check(name: str, outcome: Outcome, detail: str) -> Check:
    return Check(machine="static", name=name, outcome=outcome, detail=detail)


def boot(end: BootEnd, kind: str, *milestones: Milestone) -> Boot:
    loader = Loader.model_validate({"kind": kind, "version": "1.0 (Debian)"})
    return Boot(machine="xen", end=end, milestones=milestones, console="console-xen.log", loader=loader, seconds=61)


def test_a_bad_image_shows_what_failed_with_its_evidence() -> None:
    checks = (
        check("menu", Outcome.SKIPPED, "no entry"),
        check("fsck", Outcome.WARNED, "not clean"),
        check("kernel", Outcome.FAILED, "lz4\nat 0x4000"),
    )
    report = Report(name="web", verdict=Verdict.FAILED, image=IMAGE, checks=checks)
    assert text(block(report, Path("out/web"), 83)) == [  # type: ignore[arg-type]
        "",
        "web: failed: this image is bad",
        "  failed  static: kernel: lz4",
        "            at 0x4000",
        "  warned  static: fsck: not clean",
        "  image   out/web/web.raw  (2.0 GiB, 600 MiB on disk)",
        "  checks  1 failed, 1 warned, 1 skipped (static)",
        "  time    1 min 23 s",
        "  report  out/web/report.html",
    ]


def test_boots_name_their_loader_and_the_last_milestone() -> None:
    boots = (
        boot(BootEnd.REACHED, "pv-grub"),
        boot(BootEnd.TIMEOUT, "stand-in", Milestone(name="kernel", seconds=9)),
        boot(BootEnd.CLOSED, "direct"),
    )
    report = Report(name="web", verdict=Verdict.UNVERIFIED, image=IMAGE, boots=boots, unverified_because="slow")
    lines = text(block(report, Path("out/web"), 1))  # type: ignore[arg-type]
    assert lines[1] == "web: unverified (slow)"
    assert lines[3:6] == [
        "  boot    xen: booted in 1 min 01 s, loaded by PV-GRUB 1.0; console-xen.log",
        "  boot    xen: time limit after 1 min 01 s, last reached: kernel at 9.0 s, "
        "loaded by a stand-in for PV-GRUB: 1.0; console-xen.log",
        "  boot    xen: machine ended after 1 min 01 s, no milestone reached, "
        "loaded by QEMU itself: 1.0; console-xen.log",
    ]


def test_the_table_of_several() -> None:
    report = Report(name="web", verdict=Verdict.PASSED, image=IMAGE)
    rows = [BuildResult("web", 0, report, 83), BuildResult("database", 5, None, 2), BuildResult("late", None)]
    assert text(table(rows)) == [  # type: ignore[arg-type]
        "",
        "web       passed                    1 min 23 s   600 MiB",
        "database  not built (exit code 5)        2.0 s",
        "late      not started             ",
        "1 of 3 done",
    ]
