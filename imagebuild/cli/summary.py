"""The last words of a run: what came out, where it is, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from imagebuild.artifacts.output_directory import PAGE
from imagebuild.cli.terminal import Segment
from imagebuild.errors import OK, Interrupted
from imagebuild.formats.text import duration, moment, size
from imagebuild.operations.build import BuildResult
from imagebuild.report import VERDICT_WORDS, Boot, BootEnd, Check, Outcome, PackageNews, Report, Verdict
from imagebuild.vocabulary import GENUINE

Line = Sequence[Segment]

_STYLE = {Verdict.PASSED: "bold green", Verdict.CHECKED: "bold yellow", Verdict.FAILED: "bold red",
          Verdict.UNVERIFIED: "bold yellow"}  # fmt: skip
_OUTCOME_STYLE = {Outcome.FAILED: "bold red", Outcome.WARNED: "yellow", Outcome.SKIPPED: "dim", Outcome.PASSED: "green"}


def block(report: Report, folder: Path, seconds: float) -> list[Line]:
    """One image's result. `folder` is where its report lies."""
    because = f" ({report.unverified_because})" if report.unverified_because else ""
    lines: list[Line] = [
        [],
        [(f"{report.name}: ", "bold"), (VERDICT_WORDS[report.verdict], _STYLE[report.verdict]), (because, "")],
    ]
    lines += [[("  what to do: ", ""), (report.remedy, "bold")]] if report.remedy else []
    lines += _checks(report.checks)
    image = report.image
    rows = [("image", f"{folder / image.path}  ({size(image.size_bytes)}, {size(image.real_bytes)} on disk)")]
    rows += [("boot", _boot(boot)) for boot in report.boots]
    rows += [("checks", _counts(report.checks))] if report.checks else []
    rows += [("cached", f"verified {moment(report.verified_at)}; --force boots again")] if report.cached else []
    rows += [("time", duration(seconds)), ("report", str(folder / PAGE))]
    return lines + [[(f"  {word:<8}", "dim"), (text, "")] for word, text in rows]


def unchanged(report: Report, folder: Path, seconds: float) -> list[Line]:
    """An earlier result that stands: nothing was launched."""
    image = f"{folder / report.image.path}  ({size(report.image.size_bytes)}, {size(report.image.real_bytes)} on disk)"
    rows = [("image", image), ("checks", _counts(report.checks)), ("time", duration(seconds))]
    head: Line = [
        (f"{report.name}: ", "bold"),
        (VERDICT_WORDS[report.verdict], _STYLE[report.verdict]),
        (", unchanged: same inputs, and the image still has the verified sha256 (--force builds again)", ""),
    ]
    return [[], head, *([(f"  {word:<8}", "dim"), (text, "")] for word, text in rows)]


_SHOWN_UPDATES = 12


def packages(news: PackageNews) -> list[Line]:
    """How new the packages are; amber where the archive was asked and did not answer."""
    lines: list[Line] = [[(f"  {'packages':<8}", "dim"), (f" {packages_text(news)}", "")]]
    lines += [[(f"           {update}", "")] for update in news.updated[:_SHOWN_UPDATES]]
    if len(news.updated) > _SHOWN_UPDATES:
        lines.append([(f"           and {len(news.updated) - _SHOWN_UPDATES} more", "dim")])
    if news.because:
        lines.append([(f"  the archive could not be asked for updates: {news.because}", "yellow")])
    return lines


def packages_text(news: PackageNews) -> str:
    """ "127 packages as of 2026-11-29, 1 updated"."""
    day = f" as of {news.as_of[:10]}" if news.as_of else ""
    updated = f", {len(news.updated)} updated" if news.updated else ", none updated" if news.asked else ""
    return f"{news.count} packages{day}" + ("" if news.because else updated)


def _checks(checks: Sequence[Check]) -> list[Line]:
    """The checks that want a reader: failures, then warnings. What was skipped matters only where nothing failed:
    most checks are skipped because an earlier one failed."""
    lines: list[Line] = []
    failed = any(check.outcome is Outcome.FAILED for check in checks)
    for outcome in (Outcome.FAILED, Outcome.WARNED, *(() if failed else (Outcome.SKIPPED,))):
        for check in checks:
            if check.outcome is outcome:
                first, *rest = check.detail.splitlines() or [""]
                lines.append([("  ", ""), (f"{outcome:<8}", _OUTCOME_STYLE[outcome]), (f"{check.machine}: ", ""),
                              (check.name, "bold"), (f": {first}" if first else "", "")])  # fmt: skip
                lines += [[("            " + line, "")] for line in rest]
    return lines


def _counts(checks: Sequence[Check]) -> str:
    outcomes = [check.outcome for check in checks]
    counts = ", ".join(f"{outcomes.count(outcome)} {outcome}" for outcome in Outcome if outcome in outcomes)
    return f"{counts} ({', '.join(dict.fromkeys(check.machine for check in checks))})"


def _boot(boot: Boot) -> str:
    last = boot.milestones[-1] if boot.milestones else None
    kind = {GENUINE: "PV-GRUB", "stand-in": "a stand-in for PV-GRUB:", "direct": "QEMU itself:", "own": "its own"}[
        boot.loader.kind
    ]
    loader = f"loaded by {kind} {boot.loader.version.partition(' (')[0]}".rstrip(": ")
    machine = boot.machine if boot.proves == "default" else f"{boot.machine}, default broken"
    if boot.end is BootEnd.REACHED:
        came_up = "booted" if boot.proves == "default" else "fallback booted"
        return f"{machine}: {came_up} in {duration(boot.seconds)}, {loader}; {boot.console}"
    reached = f"last reached: {last.name} at {duration(last.seconds)}" if last else "no milestone reached"
    ended = {BootEnd.FATAL: "fatal error", BootEnd.TIMEOUT: "time limit", BootEnd.CLOSED: "machine ended"}[boot.end]
    return f"{machine}: {ended} after {duration(boot.seconds)}, {reached}, {loader}; {boot.console}"


def table(rows: Sequence[BuildResult]) -> list[Line]:
    """All recipes at a glance."""
    width = max(len(row.name) for row in rows)
    lines: list[Line] = [[]]
    for row in rows:
        word, style = _word(row)
        tail = f"{duration(row.seconds):>12}" if row.code is not None else ""
        tail += f"  {size(row.report.image.real_bytes):>8}" if row.report else ""
        lines.append([(f"{row.name:<{width}}  ", ""), (f"{word:<24}", style), (tail, "")])
    good = sum(row.code == OK for row in rows)
    lines.append([(f"{good} of {len(rows)} done", "bold")])
    return lines


def _word(row: BuildResult) -> tuple[str, str]:
    if row.report is not None:
        return VERDICT_WORDS[row.report.verdict].partition(":")[0], _STYLE[row.report.verdict]
    if row.code is None:
        return "not started", "dim"
    if row.code == Interrupted.exit_code:
        return "interrupted", "bold red"
    return f"not built (exit code {row.code})", "bold red"
