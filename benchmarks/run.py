"""`make bench`: imagebuild and its peers, in turn, on the same packages and the same tree.

    python -m benchmarks.run [--quick] [--rounds N] [--only TOOL] [--kind KIND] [-o FOLDER]

Needs root, Debian, and about 20 GiB. Every measurement is written to FOLDER/results.json at once; a run that was
interrupted goes on where it was (`--again` begins anew). At the end docs/benchmarks.md is written from it.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import cacher, machine, page, trees
from benchmarks.peers import debos, diskimage_builder, imagebuild, limits, mkosi, virt_make_fs, vmdb2
from benchmarks.workload import SUITE, Measured, Place, Task, measure

_TOOLS: tuple[Callable[[Place], list[Task]], ...] = (
    limits.tasks, imagebuild.tasks, mkosi.tasks, vmdb2.tasks, debos.tasks, diskimage_builder.tasks, virt_make_fs.tasks,
)  # fmt: skip
_SIZES_GIB = (0.3, 0.6, 1.2, 2.4)
_RECIPES = (1, 2, 4, 8)
_LIMIT_SECONDS = 900
_SLOW = ("virt-make-fs", "debos", "diskimage-builder")  # also when warm: once is enough for --quick


def main() -> int:
    options = _options()
    if os.geteuid() != 0:
        print("bench: the peers need root; what to do: sudo make bench", file=sys.stderr)
        return 4
    folder: Path = options.output.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    results = Results(folder / "results.json", anew=options.again)
    setup = Path(__file__).with_name("setup")
    subprocess.run([str(setup), str(folder)], check=True, timeout=_LIMIT_SECONDS)
    with cacher.mirror(folder, SUITE) as address:
        place = Place(folder, address)
        _make_tree(place)
        for task, round_number in _in_turn(place, options):
            key = f"{task.name}: {round_number}"
            if key in results.runs or _hopeless(results, task):
                continue
            measured = measure(task, place)
            results.add(key, measured, imagebuild.stages(task))
            said = f"{measured.seconds:7.1f} s" if not measured.reason else f"no result: {measured.reason}"
            print(f"{time.strftime('%H:%M:%S')} {key}: {said}", flush=True)
    results.write(machine.description(folder))
    page.write(folder / "results.json", Path(__file__).parent.parent / "docs")
    print(f"bench: {folder / 'results.json'}, docs/benchmarks.md")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round cold, two of the rest, growth in two steps")
    parser.add_argument(
        "--rounds", type=int, default=3, help="rounds of cold builds; the others are run twice as often"
    )
    parser.add_argument("--only", default="", help="only tools with this in their names")
    parser.add_argument("--kind", default="", help="only measurements with this in their kind: cold, warm, assembly …")
    parser.add_argument("--no-growth", action="store_true", help="leave the growth with size and number out")
    parser.add_argument("--again", action="store_true", help="begin anew")
    parser.add_argument("-o", "--output", type=Path, default=Path("out/bench"))
    return parser.parse_args()


class Results:
    """results.json: {"machine": {...}, "runs": {"tool: kind: round": Measured}, "stages": {kind: […]}}."""

    def __init__(self, path: Path, *, anew: bool) -> None:
        self._path = path
        if anew:
            path.unlink(missing_ok=True)
        kept = json.loads(path.read_text()) if path.is_file() else {}
        self.machine: dict[str, str] = kept.get("machine", {})
        self.runs: dict[str, dict[str, object]] = kept.get("runs", {})
        self.stages: dict[str, object] = kept.get("stages", {})

    def add(self, key: str, measured: Measured, stages: object) -> None:
        self.runs[key] = dataclasses.asdict(measured)
        if stages:
            self.stages[key.split(": ")[1]] = stages
        self.write(self.machine)

    def write(self, described: dict[str, str]) -> None:
        self.machine = described
        partial = self._path.with_suffix(".partial")
        partial.write_text(
            json.dumps({"machine": self.machine, "runs": self.runs, "stages": self.stages}, indent=1) + "\n"
        )
        partial.rename(self._path)


def _hopeless(results: Results, task: Task) -> bool:
    """A tool that failed at this once is not asked again."""
    return any(run["reason"] for key, run in results.runs.items() if key.startswith(f"{task.name}: "))


def _make_tree(place: Place) -> None:
    """The tree, made once by mmdebstrap; the shared cache then holds every package."""
    if not place.tree.is_file():
        print("bench: making the tree (and filling the cache of packages)", flush=True)
        partial = place.folder / "making.tar"
        words = limits.mmdebstrap_words(place, str(partial))
        subprocess.run(words, check=True, timeout=_LIMIT_SECONDS, capture_output=True)
        partial.rename(place.tree)


def _in_turn(place: Place, options: argparse.Namespace) -> Iterator[tuple[Task, int]]:
    """Round by round, each tool once in a round: what disturbs the machine for a while disturbs all of them."""
    rounds = 1 if options.quick else options.rounds
    every = [task for tool in _TOOLS for task in tool(place) if options.only in task.tool and options.kind in task.kind]
    for number in range(rounds):
        yield from ((task, number) for task in every if task.kind == "cold")
    others = [task for task in every if task.kind != "cold"]
    # fills the tool's own cache; not counted (round -1). The others filled theirs when they built cold.
    yield from ((task, -1) for task in others if task.tool in ("imagebuild", imagebuild.FIRST, "mkosi"))
    for number in range(2 * rounds):
        slow = options.quick and number > 0
        yield from ((task, number) for task in others if not (slow and task.tool in _SLOW))
    if not options.no_growth:
        yield from _growth(place, options)


def _growth(place: Place, options: argparse.Namespace) -> Iterator[tuple[Task, int]]:
    kept = place.folder / "imagebuild-kept"
    for gib in _SIZES_GIB[: 2 if options.quick else None]:
        archive = trees.tree_of(place, gib)
        recipe = imagebuild.archive_recipe(place, archive)
        task = imagebuild.assemble(recipe, place, f"size {gib} GiB", kept)
        first = imagebuild.assemble(recipe, place, f"size {gib} GiB", kept, first=True)
        peer = virt_make_fs.of_archive(place, archive, f"size {gib} GiB", int(gib * 1024 * 1.3) + 64)
        for one, number in ((task, -1), (first, -1), (first, 0), (task, 0), (task, 1), (peer, 0)):
            if options.only in one.tool:
                yield one, number
    for count in _RECIPES[: 3 if options.quick else None]:
        if options.only in "imagebuild":
            tasks = imagebuild.several(place, count, kept)
            yield from ((task, number) for number in (-1, 0, 1) for task in tasks[: 1 if number < 0 else None])


if __name__ == "__main__":
    raise SystemExit(main())
