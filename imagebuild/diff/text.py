"""A Difference as lines for a terminal: sections, then one line for each thing."""

from __future__ import annotations

from imagebuild.diff.compare import Difference, Fact, FileChange, folded

_MARK = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}
Line = list[tuple[str, str]]


def lines(difference: Difference) -> list[Line]:
    """Pieces with their styles; empty sections are left out."""
    if difference.same:
        end = f" ({' and '.join(difference.not_compared)} could not be compared)" if difference.not_compared else ""
        return [[(f"{difference.a} and {difference.b} are the same{end}", "")]]
    shown: list[Line] = []
    for title, facts in (
        ("layout", difference.layout),
        ("kernels", difference.kernels),
        ("packages", difference.packages),
    ):
        if facts:
            shown += [[(f"{title} ({len(facts)})", "bold")], *(_fact(fact) for fact in facts)]
    if difference.menu:
        shown.append([("menu", "bold")])
        shown += [[(f"  {line}", _menu_style(line))] for line in difference.menu]
    if difference.files:
        shown.append([(f"files ({len(difference.files)})", "bold")])
        shown += [_file(change, inside) for change, inside in folded(difference.files)]
    if difference.not_compared:
        shown.append([(f"not compared: {', '.join(difference.not_compared)}", "dim")])
    return shown


def _fact(fact: Fact) -> Line:
    if not fact.before:
        return [("  + ", "green"), (fact.name, ""), ("" if fact.after == "there" else f"  {fact.after}", "")]
    if not fact.after:
        return [("  - ", "red"), (fact.name, ""), ("" if fact.before == "there" else f"  {fact.before}", "")]
    if fact.name.endswith(" features"):  # long lists with little difference
        before, after = fact.before.split(), fact.after.split()
        words = [f"-{word}" for word in before if word not in after] + [
            f"+{word}" for word in after if word not in before
        ]
        return [("  ~ ", "yellow"), (f"{fact.name}  {' '.join(words)}", "")]
    return [("  ~ ", "yellow"), (f"{fact.name}  {fact.before} -> {fact.after}", "")]


def _file(change: FileChange, inside: int) -> Line:
    mark, style = _MARK[change.change]
    more = f"  and {inside} beneath it" if inside else ""
    small = [
        f"{fact.name} {fact.before} -> {fact.after}"
        for fact in change.facts
        if fact.name in ("mode", "owner", "target")
    ]
    words = [*(word for word in change.what if word not in ("mode", "owner", "target")), *small]
    return [(f"  {mark} ", style), (change.path, ""), (f"  {', '.join(words)}{more}".rstrip(), "dim")]


def _menu_style(line: str) -> str:
    return {"+": "green", "-": "red"}.get(line[:1], "")
