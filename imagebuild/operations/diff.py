"""What differs between two images or output folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from imagebuild.artifacts.earlier_results import earlier_result
from imagebuild.diff.compare import Difference, Fact, compare, folded
from imagebuild.diff.take import take_snapshot
from imagebuild.errors import HostError
from imagebuild.events import Progress
from imagebuild.host.time_limit import at_most

# Two images of 2 GiB, in the appliance, under emulation, took some minutes.
TIMEOUT_SECONDS = 1800.0

Row = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffRequest:
    """Two images or output folders (also an earlier night's: out/web@-1). `html`: where a page is written.

    `timeout_seconds`: of reading both.
    """

    a: Path
    b: Path
    html: Path | None = None
    timeout_seconds: float = TIMEOUT_SECONDS


def diff_images(request: DiffRequest, progress: Progress) -> Difference:
    """Compare them. Raises VerifyError or HostError when one cannot be read, or the page not be written."""
    with at_most(request.timeout_seconds, f"reading {request.a} and {request.b}", "give it more time: --timeout"):
        difference = compare(*(take_snapshot(earlier_result(path), progress) for path in (request.a, request.b)))
    if request.html is not None:
        _write(request.html, page_of(difference))
    return difference


def page_of(difference: Difference) -> str:
    """The same as a page of its own."""
    from imagebuild.pages.render import diff_html

    parts = (("Layout", difference.layout), ("Kernels", difference.kernels), ("Packages", difference.packages))
    sections: list[tuple[str, list[Row]]] = [(title, [_row(fact) for fact in facts]) for title, facts in parts if facts]
    files: list[Row] = []
    for change, inside in folded(difference.files):
        before = "\n".join(f"{fact.name} {fact.before}" for fact in change.facts if fact.before)
        after = "\n".join(f"{fact.name} {fact.after}" for fact in change.facts if fact.after)
        files.append((change.path, change.change, before, after or (f"and {inside} beneath it" if inside else "")))
    if files:
        sections.append(("Files", files))
    return diff_html(f"{difference.a} and {difference.b}", sections, difference.menu)


def _row(fact: Fact) -> Row:
    change = "added" if not fact.before else "removed" if not fact.after else "changed"
    return fact.name, change, fact.before, fact.after


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise HostError(f"{path} cannot be written: {error.strerror}", resolution="name another file") from error
