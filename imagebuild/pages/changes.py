"""What differs between two builds of one recipe: packages, sizes, times, verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imagebuild.pages.model import PackageLine, Previous, ReportPage
from imagebuild.report import Boot


@dataclass(frozen=True, slots=True)
class PackageChange:
    """`before` empty: added; `after` empty: removed."""

    name: str
    before: str
    after: str

    @property
    def kind(self) -> str:
        return "added" if not self.before else "removed" if not self.after else "changed"


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of both builds. `unit` is `bytes` or `seconds`; None: that build has no such number."""

    name: str
    before: float | None
    after: float | None
    unit: str


@dataclass(frozen=True, slots=True)
class Changes:
    packages: tuple[PackageChange, ...]
    figures: tuple[Figure, ...]
    facts: tuple[tuple[str, str, str], ...]
    """What else differs: its name, before, after."""


def package_changes(before: Sequence[PackageLine], after: Sequence[PackageLine]) -> tuple[PackageChange, ...]:
    """By name and architecture; several versions of one package (kernels do not count, their names differ) in a row."""
    old, new = _versions(before), _versions(after)
    changed = [PackageChange(_shown(key), old.get(key, ""), new.get(key, "")) for key in sorted(old.keys() | new.keys())
               if old.get(key) != new.get(key)]  # fmt: skip
    return tuple(changed)


def _versions(packages: Sequence[PackageLine]) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], list[str]] = {}
    for package in packages:
        # "all" and the machine's own are one: a package that becomes architecture-independent has not been replaced
        arch = "" if package.architecture in ("all", "noarch", "amd64", "x86_64") else package.architecture
        found.setdefault((package.name, arch), []).append(package.version)
    return {key: ", ".join(sorted(versions)) for key, versions in found.items()}


def _shown(key: tuple[str, str]) -> str:
    return ":".join(part for part in key if part)


def changes(page: ReportPage) -> Changes | None:
    """What is new since the previous build; None where there was none."""
    if page.previous is None:
        return None
    old, new = page.previous.report, page.report
    facts = [
        ("verdict", str(old.verdict), str(new.verdict)),
        ("image (sha256)", old.image.sha256, new.image.sha256),
        ("recipe (digest)", old.recipe_digest or "", new.recipe_digest or ""),
        ("plan (digest)", old.plan_digest or "", new.plan_digest or ""),
        ("imagebuild", old.imagebuild_version, new.imagebuild_version),
        *_outcomes(page.previous, page),
    ]
    return Changes(
        package_changes(page.previous.packages, page.packages),
        _figures(page.previous, page),
        tuple(fact for fact in facts if fact[1] != fact[2]),
    )


def _outcomes(previous: Previous, page: ReportPage) -> list[tuple[str, str, str]]:
    """Checks whose worst outcome is another one."""
    worst = ("failed", "warned", "passed", "skipped")
    rows: dict[str, list[str]] = {}
    for side, report in enumerate((previous.report, page.report)):
        for check in report.checks:
            row = rows.setdefault(f"{check.machine}: {check.name}", ["", ""])
            row[side] = min(filter(None, (row[side], str(check.outcome))), key=worst.index)
    return [(name, before or "not there", after or "not there") for name, (before, after) in rows.items()]


def _figures(previous: Previous, page: ReportPage) -> tuple[Figure, ...]:
    old, new = previous.report, page.report
    figures = [
        Figure("image", old.image.size_bytes, new.image.size_bytes, "bytes"),
        Figure("on disk", old.image.real_bytes, new.image.real_bytes, "bytes"),
    ]
    stages = [{stage.name: stage.seconds for stage in report.stages} for report in (old, new)]
    logins = [
        {f"{_words(boot)}: {mark.name}": mark.seconds for boot in report.boots for mark in boot.milestones[-1:]}
        for report in (old, new)
    ]
    for before, after in (stages, logins):
        for name in dict.fromkeys([*after, *before]):
            figures.append(Figure(name, before.get(name), after.get(name), "seconds"))
    return tuple(figures)


def _words(boot: Boot) -> str:
    return boot.machine if boot.proves == "default" else f"{boot.machine}, {boot.proves}"
