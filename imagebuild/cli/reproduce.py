"""`reproduce`: an output folder's image built again from what the folder tells, and compared."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imagebuild import __version__
from imagebuild.artifacts.output_directory import PACKAGES, PLAN, RECIPE, REPORT
from imagebuild.cli.hands import Hands, Load
from imagebuild.cli.jobs import Job, prepare_jobs
from imagebuild.cli.terminal import Segment, Watcher, choose_display, say, showing
from imagebuild.cli.validate import parse_settings
from imagebuild.errors import BAD_IMAGE, OK, Problem, RecipeError
from imagebuild.events import stage
from imagebuild.formats.text import duration
from imagebuild.host.cache import Cache
from imagebuild.host.scratch import scratch_folder
from imagebuild.report import Report

if TYPE_CHECKING:
    from imagebuild.events import Progress
    from imagebuild.recipe.load import LoadedRecipe

_CHUNK_BYTES = 4 * 2**20
_EPOCH = "SOURCE_DATE_EPOCH"
Line = Sequence[Segment]


@dataclass(frozen=True, slots=True)
class _Again:
    """What came out this time, and what differs (`lines`; empty: nothing)."""

    sha256: str
    lines: list[Line]


def reproduce_folder(folder: Path, recipe: Path | None, settings: Sequence[str], hands: Hands) -> int:
    """Build again, compare and tell: 0 the same, 10 another. Raises RecipeError for a folder that tells too little."""
    begin = time.monotonic()
    report = _report(folder)
    path = recipe or folder / RECIPE
    if recipe is None and not path.is_file():
        raise _misuse(folder, f"this folder holds no {RECIPE}; name the recipe with --recipe FILE")
    jobs, code = prepare_jobs([path], parse_settings(settings), (), _bound(hands.load, folder))
    if code != OK:
        return code
    with showing(choose_display()) as display:
        again = _build_again(jobs[0], folder, report, hands, Watcher(display))
    seconds = time.monotonic() - begin
    say(_verdict(report, again, seconds))
    return OK if again.sha256 == report.image.sha256 else BAD_IMAGE


def _report(folder: Path) -> Report:
    try:
        return Report.model_validate_json((folder / REPORT).read_bytes())
    except (OSError, ValueError):
        raise _misuse(folder, f"found no {REPORT}; name the output folder of a build, such as out/web") from None


def _bound(read: Load, folder: Path) -> Load:
    """The same way to read a recipe, bound to the lock that the folder holds (a bootstrapped tree's)."""

    def load(path: Path, settings: Mapping[str, str], /) -> LoadedRecipe:
        from imagebuild.recipe.lock import lock_path
        from imagebuild.rootfs.lock import with_lock

        loaded = read(path, settings)
        kept = folder / RECIPE
        return with_lock(loaded, kept) if lock_path(kept).is_file() else loaded

    return load


def _build_again(job: Job, folder: Path, report: Report, hands: Hands, progress: Progress) -> _Again:
    from imagebuild.host.digest import image_sha256

    if job.loaded.recipe.rootfs.debian is None:
        _take_the_moment(folder)  # a bootstrap's is in its lock
    with scratch_folder() as scratch:
        image = scratch / f"{job.name}.raw"
        built = hands.build(job.loaded, image, cache=Cache(), progress=progress, secrets=job.secrets)
        with stage(progress, "checksum"):
            sha256 = image_sha256(image, threading.Event())
        if sha256 == report.image.sha256:
            return _Again(sha256, [])
        (scratch / PACKAGES).write_text(built.packages.model_dump_json(), encoding="utf-8")
        return _Again(sha256, _difference(folder, report, image, progress))


def _take_the_moment(folder: Path) -> None:
    try:
        epoch = json.loads((folder / PLAN).read_bytes())["epoch"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    if isinstance(epoch, int):
        os.environ.setdefault(_EPOCH, str(epoch))


def _difference(folder: Path, report: Report, image: Path, progress: Progress) -> list[Line]:
    """What differs, for a terminal. The folder that `image` lies in looks like an output folder."""
    from dataclasses import replace

    from imagebuild.diff.compare import compare
    from imagebuild.diff.take import take_snapshot
    from imagebuild.diff.text import lines

    before = folder / report.image.path
    head: list[Line] = [[(f"  {before} is not there: only packages can be compared", "yellow")]]
    if before.is_file():
        with stage(progress, "comparing bytes"):
            head = [[(f"  {difference_in_bytes(before, image)}", "")]]
    old, new = take_snapshot(folder, progress), take_snapshot(image.parent, progress)
    difference = compare(replace(old, name="as built"), replace(new, name="again"))
    if difference.same and before.is_file():
        return [*head, [("  no file, package or setting differs: only times, or where things lie in the image", "")]]
    return [*head, *lines(difference)]


def difference_in_bytes(a: Path, b: Path) -> str:
    """Where two images differ for the first time."""
    sizes = a.stat().st_size, b.stat().st_size
    with a.open("rb") as one, b.open("rb") as other:
        position = 0
        while (left := one.read(_CHUNK_BYTES)) == (right := other.read(_CHUNK_BYTES)) and left:
            position += len(left)
    if left == right:
        return "the image that lies there is the same as the one built again: it was changed after its report"
    begin, end = 0, min(len(left), len(right))
    while begin < end:  # the first `begin` bytes agree
        middle = (begin + end + 1) // 2
        if left[begin:middle] == right[begin:middle]:
            begin = middle
        else:
            end = middle - 1
    words = f"the first byte that differs is number {position + begin}"
    return words if sizes[0] == sizes[1] else f"{words}; {sizes[0]} bytes long as built, {sizes[1]} again"


def _verdict(report: Report, again: _Again, seconds: float) -> list[Line]:
    if again.sha256 == report.image.sha256:
        words = f", built again in {duration(seconds)}: sha256 {again.sha256}"
        return [[], [(f"{report.name}: ", "bold"), ("identical", "bold green"), (words, "")]]
    lines: list[Line] = [[], [(f"{report.name}: ", "bold"), ("different", "bold red"), (", built again in ", ""),
                              (duration(seconds), "")]]  # fmt: skip
    lines += [[(f"  sha256 as built {report.image.sha256}", "")], [(f"  sha256 again    {again.sha256}", "")]]
    if report.imagebuild_version != __version__:
        note = f"imagebuild {report.imagebuild_version} built it, this is {__version__}"
        lines.append([(f"  {note}", "yellow")])
    return [*lines, *again.lines]


def _misuse(folder: Path, message: str) -> RecipeError:
    return RecipeError([Problem(str(folder), 0, 0, "", message)])
