"""Pages to try things on: a good one, and one whose every text comes from an enemy."""

from __future__ import annotations

from imagebuild.pages.clean import console_lines
from imagebuild.pages.model import (
    Area,
    Console,
    DiskFacts,
    Entry,
    PackageLine,
    Previous,
    ReportPage,
    Stretch,
)
from imagebuild.report import Boot, BootEnd, Check, ImageFacts, Loader, Milestone, Outcome, Report, Stage, Verdict

MIB = 2**20
HOSTILE = "</pre></script><script>document.title='owned'</script><img src=x onerror=alert(1)>\x1b[2J\x07\x00\u202e'\"&"
HOSTILE_BYTES = (
    HOSTILE.encode() + b"\r\n\xff\xfe\xc3( not UTF-8\r\n\x1b]0;a title\x07ok \x1b[0;1;31mred\x1b[0m\r\n"
    b"progress 10%\rprogress 100%\r\nKernel panic - not syncing: <b>no</b> init\r\n"
)


def report(name: str = "web", verdict: Verdict = Verdict.PASSED, detail: str = "ok") -> Report:
    """Two machines and their boots; `detail` stands wherever a text of the image's can."""
    end = BootEnd.REACHED if verdict is Verdict.PASSED else BootEnd.FATAL
    outcome = Outcome.PASSED if verdict is Verdict.PASSED else Outcome.FAILED
    marks = (
        Milestone(name="kernel", seconds=14.2),
        Milestone(name="root", seconds=44.7),
        Milestone(name=detail, seconds=87.6),
    )
    return Report(
        name=name, verdict=verdict,
        image=ImageFacts(path=f"{name}.raw", sha256="ab" * 32, size_bytes=1024 * MIB, real_bytes=512 * MIB),
        stages=(Stage(name="root tree", seconds=182.3), Stage(name="xen boot", seconds=223.5, cached=True)),
        checks=(
            Check(machine="static", name="menu", outcome=Outcome.PASSED, detail=detail, seconds=0.1),
            Check(machine="static", name="holes", outcome=Outcome.WARNED, detail=detail),
            Check(machine="xen", name="boot", outcome=outcome, detail=detail, seconds=87.6),
        ),
        boots=(
            Boot(machine="xen", end=end, milestones=marks, console="console-xen.log", seconds=90.0, detail=detail,
                 loader=Loader(kind="stand-in", version=detail, sha256="cd" * 32)),
        ),
        recipe_digest="12" * 32, plan_digest="34" * 32, imagebuild_version="0.1.0",
    )  # fmt: skip


def page(hostile: bool = False) -> ReportPage:
    """An hd00 disk with LVM, a menu of two entries, a console and a build before this one."""
    text = HOSTILE if hostile else "ok"
    lines, left_out = console_lines(HOSTILE_BYTES if hostile else b"Linux version 6.1.0\r\nlogin: ")
    verdict = Verdict.FAILED if hostile else Verdict.PASSED
    fatal = frozenset({len(lines) - 1} if hostile else ())
    packages = (
        PackageLine("bash", "5.2.15-2", "amd64"),
        PackageLine("linux-image-6.1.0-44-amd64", "6.1.200-1", "amd64"),
    )
    older = (PackageLine("bash", "5.2.15-1", "amd64"), PackageLine("nano", text, "amd64"))
    areas = (
        Area("(hd0,0)", 128 * MIB, (Stretch(MIB, 128 * MIB),), "ext2", "/boot", text, "u1"),
        Area("(hd0,1)", 894 * MIB, (Stretch(129 * MIB, 894 * MIB),), "LVM2_member", "", "", "u2"),
        Area("/dev/vg0/root", 700 * MIB, (Stretch(130 * MIB, 700 * MIB),), "ext4", "/", "root", "u3", 1),
        Area("/dev/vg0/swap", 2 * MIB, (Stretch(830 * MIB, 2 * MIB),), "swap", "", "", "u4", 1),
    )
    return ReportPage(
        report=report(text if hostile else "web", verdict, text), verb="build", made="2026-11-24 06:18 UTC",
        disk=DiskFacts(1024 * MIB, "dos", areas), menu_path="(hd0,0)/grub/menu.lst", menu=f"default 0\ntitle {text}\n",
        entries=(Entry(text, "/vmlinuz", "/initrd.img", True), Entry("old", "/vmlinuz.old", "")),
        notes=(text,), packages=packages,
        consoles=(Console("xen", "console-xen.log", tuple(lines), fatal, left_out),),
        previous=Previous(report("web", Verdict.PASSED, "older"), older, "2026-11-23 06:18 UTC"),
    )  # fmt: skip
