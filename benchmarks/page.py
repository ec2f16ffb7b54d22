"""docs/benchmarks.md and its plots, from results.json: `python -m benchmarks.page out/bench/results.json`."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import plot
from benchmarks.workload import PACKAGES, SUITE

LIMITS = ("mmdebstrap alone", "plain copy, sync")
_KINDS = {
    "cold": "Cold: from the list of packages to the image",
    "warm": "Warm: everything cached, a new image",
    "assembly ext4": "Assembly: a tree archive into ext4",
    "assembly xfs": "Assembly: a tree archive into XFS",
    "assembly btrfs": "Assembly: a tree archive into Btrfs",
    "unchanged": "Nothing changed since the last build",
}
Run = dict[str, float]


class Runs:
    """The measurements by tool and kind. Rounds below 0 fill caches and do not count."""

    def __init__(self, kept: dict[str, Run]) -> None:
        self.good: dict[tuple[str, str], list[Run]] = {}
        self.reasons: dict[tuple[str, str], str] = {}
        for key, run in kept.items():
            tool, kind, number = key.split(": ")
            if run["reason"]:
                self.reasons[tool, kind] = str(run["reason"])
            elif int(number) >= 0:
                self.good.setdefault((tool, kind), []).append(run)

    def median(self, tool: str, kind: str, what: str = "seconds") -> float | None:
        found = self.good.get((tool, kind))
        return statistics.median(float(run[what]) for run in found) if found else None

    def tools(self, kind: str) -> list[str]:
        """The fastest first."""
        found = [tool for tool, its_kind in self.good if its_kind == kind]
        return sorted(found, key=lambda tool: self.median(tool, kind) or 0)

    def seconds(self, kind: str) -> list[tuple[str, float]]:
        return [(tool, self.median(tool, kind) or 0) for tool in self.tools(kind)]


def write(results: Path, docs: Path) -> None:
    """Write the page and the plots beside it."""
    here = Path(__file__).parent
    kept = json.loads(results.read_text())
    runs = Runs(kept["runs"])
    bars = {title: runs.seconds(kind) for kind, title in _KINDS.items() if len(runs.tools(kind)) > 1}
    (docs / "benchmarks.svg").write_text(plot.bars(bars, LIMITS))
    lines = [
        (here / "head.md").read_text().format(packages=" ".join(PACKAGES), suite=SUITE),
        "![The medians as bars](benchmarks.svg)",
        "",
    ]
    lines += _machine(kept["machine"])
    for kind, title in _KINDS.items():
        lines += _table(runs, kind, title)
    lines += _growth(runs, docs)
    lines += _reasons(runs)
    lines += _stages(kept.get("stages", {}))
    lines.append((here / "profile.md").read_text())
    (docs / "benchmarks.md").write_text("\n".join(lines))


def _machine(described: dict[str, str]) -> list[str]:
    return [
        "## The machine",
        "",
        "| | |",
        "|---|---|",
        *(f"| {key} | {value} |" for key, value in described.items()),
        "",
    ]


def _table(runs: Runs, kind: str, title: str) -> list[str]:
    tools = runs.tools(kind)
    if not tools:
        return []
    ours = runs.median("imagebuild", kind)
    lines = [
        f"## {title}",
        "",
        "| tool | median | range | times imagebuild's | processor | memory | written | rounds |",
    ]
    lines.append("|---|---:|---:|---:|---:|---:|---:|---:|")
    for tool in tools:
        found = runs.good[tool, kind]
        seconds = [float(run["seconds"]) for run in found]
        median = statistics.median(seconds)
        name = f"**{tool}**" if tool == "imagebuild" else f"*{tool}*" if tool in LIMITS else tool
        if any(run.get("initrd") is False for run in found):
            name += " (no initrd!)"
        ratio = f"{median / ours:.2f}" if ours else ""
        cells = [name, f"{median:.1f} s", f"{min(seconds):.1f} to {max(seconds):.1f}", ratio]
        cells.append(f"{runs.median(tool, kind, 'cpu_seconds'):.1f} s")
        cells += [_mib(runs.median(tool, kind, what)) for what in ("peak_memory_bytes", "written_bytes")]
        lines.append(f"| {' | '.join(cells)} | {len(found)} |")
    return [*lines, ""]


def _growth(runs: Runs, docs: Path) -> list[str]:
    lines: list[str] = []
    for word, title, unit in (("size", "tree's size", "GiB"), ("recipes", "number of recipes", "recipes")):
        kinds = {float(kind.split()[1]): kind for _tool, kind in runs.good if kind.startswith(f"{word} ")}
        if len(kinds) < 2:
            continue
        tools = sorted({tool for tool, kind in runs.good if kind in kinds.values()})
        series = {
            tool: [(x, y) for x, kind in sorted(kinds.items()) if (y := runs.median(tool, kind)) is not None]
            for tool in tools
        }
        name = f"benchmarks-{word}.svg"
        heading = f"Growth with the {title}"
        (docs / name).write_text(plot.lines(f"{heading} (ext4, warm)", unit, series))
        lines += [f"## {heading}", "", f"![{heading}]({name})", "", f"| {unit} | {' | '.join(tools)} |"]
        lines.append("|---:|" + "---:|" * len(tools))
        for x, kind in sorted(kinds.items()):
            lines.append(f"| {x:g} | {' | '.join(_seconds(runs.median(tool, kind)) for tool in tools)} |")
        lines.append("")
    return lines


def _reasons(runs: Runs) -> list[str]:
    lines = [f"- {tool}, {kind}: `{reason.replace('`', chr(39))}`" for (tool, kind), reason in runs.reasons.items()]
    return ["## What could not be run here, and its reason", "", *lines, ""] if lines else []


def _stages(stages: dict[str, list[dict[str, object]]]) -> list[str]:
    lines = ["## Where each second goes", ""]
    for kind, its_stages in stages.items():
        parts: Sequence[str] = [f"{stage['name']} {stage['seconds']:.1f} s" for stage in its_stages]
        lines.append(f"- {kind}: {', '.join(parts)}")
    return [*lines, ""] if stages else lines


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} s"


def _mib(value: float | None) -> str:
    return "" if value is None else f"{value / 2**20:.0f} MiB"


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(__file__).parent.parent / "docs")
