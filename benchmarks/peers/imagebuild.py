"""imagebuild itself, as an ordinary checkout runs it: cold, from its cached tree, and from a given archive."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from benchmarks.workload import PACKAGES, SUITE, Place, Task

_TAIL = (
    "disk: {{layout: hd0, free: 20%, filesystem: {{type: {filesystem}, label: root}}}}\n"
    'system: {{hostname: debian}}\nboot: {{timeout: 3, command_line: "ro console=hvc0"}}\n'
)


def bootstrap_recipe(place: Place, name: str = "bench") -> Path:
    path = place.folder / f"{name}.yaml"
    path.write_text(
        f"name: {name}\nrootfs:\n  debian:\n    suite: {SUITE}\n    variant: minbase\n    mirror: {place.mirror}\n"
        f"    packages: [{', '.join(PACKAGES)}]\n" + _TAIL.format(filesystem="ext4")
    )
    return path


def archive_recipe(place: Place, archive: Path, filesystem: str = "ext4", name: str = "", more: str = "") -> Path:
    name = name or f"{archive.stem}-{filesystem}"
    path = place.folder / f"{name}.yaml"
    path.write_text(f"name: {name}\nrootfs: {{tar: {archive}}}\n" + _TAIL.format(filesystem=filesystem) + more)
    return path


FIRST = "imagebuild, first from a tree"


def build(recipe: Path, place: Place, kind: str, cache: Path, *, cold: bool = False, first: bool = False) -> Task:
    """`imagebuild build --no-verify` into a new folder; `first`: with what the cache knows of the tree, and no more."""
    output = place.folder / "imagebuild-out"
    cache = cache.with_name(f"{cache.name}-first") if first else cache

    def before() -> None:
        place.fresh(output.name)
        if cold:
            place.fresh(str(cache.relative_to(place.folder)))
        if first:
            place.fresh(str((cache / "filesystems").relative_to(place.folder)))

    words = [sys.executable, "-m", "imagebuild", "build", "--no-verify", "-o", str(output), str(recipe)]
    image = output / recipe.stem / f"{recipe.stem}.raw"
    return Task(
        FIRST if first else "imagebuild",
        kind,
        words,
        image,
        {"IMAGEBUILD_CACHE": str(cache)},
        before,
        folder=Path.cwd(),
    )


def tasks(place: Place) -> list[Task]:
    kept, cold = place.folder / "imagebuild-kept", place.folder / "imagebuild-cold"
    kept.mkdir(exist_ok=True)
    found = [
        build(bootstrap_recipe(place), place, "cold", cold, cold=True),
        build(bootstrap_recipe(place), place, "warm", kept),
    ]
    if place.tree.is_file():
        for filesystem in ("ext4", "xfs", "btrfs"):
            recipe = archive_recipe(place, place.tree, filesystem)
            found.append(build(recipe, place, f"assembly {filesystem}", kept))
            if filesystem == "ext4":
                found.append(build(recipe, place, f"assembly {filesystem}", kept, first=True))
    if os.environ.get("IMAGEBUILD_BENCH_UNCHANGED") != "no":
        found.append(_unchanged(place))
    return found


def _unchanged(place: Place) -> Task:
    """Nothing has changed since a verified build (with the user's own cache: the Xen test host exists already)."""
    output, recipe = place.folder / "imagebuild-verified", bootstrap_recipe(place, "unchanged")
    words = [sys.executable, "-m", "imagebuild", "build", "-o", str(output), str(recipe)]
    return Task("imagebuild", "unchanged", words, None, {}, folder=Path.cwd())


def several(place: Place, count: int, cache: Path) -> list[Task]:
    """Recipes on the same cached tree: in one command, and in one command each, one after the other."""
    recipes = [archive_recipe(place, place.tree, name=f"several-{number}") for number in range(count)]
    task = build(recipes[0], place, f"recipes {count}", cache)
    together = [*task.words[:-1], *map(str, recipes)]
    in_turn = ["sh", "-ec", 'recipes=$1; shift; for recipe in $recipes; do "$@" "$recipe"; done', "in-turn"]
    in_turn += [" ".join(map(str, recipes)), *task.words[:-1]]
    return [
        Task(tool, task.kind, words, None, task.environment, task.before, task.folder)
        for tool, words in (("imagebuild", together), ("one after the other", in_turn))
    ]


def stages(task: Task) -> list[dict[str, object]]:
    """What report.json of a build says of its stages."""
    report = task.image.with_name("report.json") if task.tool == "imagebuild" and task.image else None
    if report is None or not report.is_file():
        return []
    found: list[dict[str, object]] = json.loads(report.read_text())["stages"]
    return found
