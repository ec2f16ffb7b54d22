"""`diff`: what differs between two images, or two output folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from imagebuild.cli.terminal import Watcher, choose_display, say, showing
from imagebuild.errors import OK, HostError

if TYPE_CHECKING:
    from imagebuild.diff.compare import Difference, Fact

DIFFERENT = 11
Row = tuple[str, str, str, str]


def show_difference(a: Path, b: Path, *, as_json: bool, html: Path | None, exit_code: bool) -> int:
    """Compare and tell; 0, or 11 where they differ and `exit_code` is set."""
    import sys

    from imagebuild.diff.compare import compare
    from imagebuild.diff.take import take_snapshot
    from imagebuild.diff.text import lines

    with showing(choose_display(sys.stderr, transient=True)) as display:
        watcher = Watcher(display)
        difference = compare(take_snapshot(a, watcher), take_snapshot(b, watcher))
    if html is not None:
        _write(html, page_of(difference))
    if as_json:
        print(difference.model_dump_json(indent=2))
    else:
        say(lines(difference))
    return OK if difference.same or not exit_code else DIFFERENT


def page_of(difference: Difference) -> str:
    """The same as a page of its own."""
    from imagebuild.diff.compare import folded
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
