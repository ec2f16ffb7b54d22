"""An output directory's image built again, from what the directory holds, and compared."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from imagebuild.artifacts.output_directory import PACKAGES, PLAN, RECIPE, REPORT
from imagebuild.errors import UsageError
from imagebuild.events import Progress, Screen, stage
from imagebuild.formats.foreign import json_value
from imagebuild.host.cache import Cache
from imagebuild.host.scratch import scratch_folder
from imagebuild.operations.jobs import Job, prepare_jobs
from imagebuild.operations.journal import Journal
from imagebuild.operations.toolbox import Load, Toolbox
from imagebuild.recipe.named_file import read_whole
from imagebuild.report import MOST_REPORT_BYTES, Report

if TYPE_CHECKING:
    from imagebuild.diff.compare import Difference
    from imagebuild.recipe.load import LoadedRecipe

_CHUNK_BYTES = 4 * 2**20


@dataclass(frozen=True, slots=True)
class ReproduceRequest:
    """`folder`: of an earlier build. `recipe` None: the copy that it holds."""

    folder: Path
    recipe: Path | None
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ReproduceResult:
    """`report` is the earlier build's, `sha256` what came out this time.

    `difference` None: the same bytes. `in_bytes`: where the images differ first; empty: the earlier one, `before`, is
    no longer there.
    """

    report: Report
    before: Path
    sha256: str
    seconds: float
    difference: Difference | None = None
    in_bytes: str = ""

    @property
    def same(self) -> bool:
        return self.sha256 == self.report.image.sha256


def reproduce(request: ReproduceRequest, toolbox: Toolbox, screen: Screen) -> ReproduceResult:
    """Build again and compare. Raises UsageError for a directory that tells too little, and what a build raises."""
    begin = time.monotonic()
    folder = request.folder
    report = _report(folder)
    path = request.recipe or folder / RECIPE
    if request.recipe is None and not path.is_file():
        raise UsageError(str(folder), f"this directory has no {RECIPE}; give the recipe with --recipe FILE")
    job = _job(path, request, toolbox)
    result = _build_again(job, folder, report, toolbox, Journal(screen))
    return replace(result, seconds=time.monotonic() - begin)


def _report(folder: Path) -> Report:
    try:
        return Report.model_validate_json(read_whole(folder / REPORT, MOST_REPORT_BYTES))
    except (OSError, ValueError):
        message = f"found no {REPORT}; name the output directory of a build, such as out/web"
        raise UsageError(str(folder), message) from None


def _job(path: Path, request: ReproduceRequest, toolbox: Toolbox) -> Job:
    prepared = prepare_jobs([path], request.settings, (), _bound(toolbox.load, request.folder))
    for _, error in prepared.refused:
        raise error
    return prepared.jobs[0]


def _bound(read: Load, folder: Path) -> Load:
    """The same way to read a recipe, bound to the lock that the folder holds (a bootstrapped tree's)."""

    def load(path: Path, settings: Mapping[str, str], /) -> LoadedRecipe:
        from imagebuild.recipe.lock import lock_path
        from imagebuild.rootfs.lock import with_lock

        loaded = read(path, settings)
        copy = folder / RECIPE
        if lock_path(copy).is_file():
            loaded = with_lock(loaded, copy)
        # a bootstrapped tree's moment is in its lock
        return loaded if loaded.recipe.rootfs.debian else replace(loaded, epoch=_epoch(folder))

    return load


def _epoch(folder: Path) -> int | None:
    """The moment of the earlier build's tree."""
    try:
        epoch = json_value(read_whole(folder / PLAN, MOST_REPORT_BYTES))["epoch"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return epoch if isinstance(epoch, int) else None


def _build_again(job: Job, folder: Path, report: Report, toolbox: Toolbox, progress: Progress) -> ReproduceResult:
    from imagebuild.host.digest import image_sha256

    with scratch_folder() as scratch:
        image = scratch / f"{job.name}.raw"
        built = toolbox.build(job.loaded, image, cache=Cache(), progress=progress, secrets=job.secrets)
        with stage(progress, "checksum"):
            sha256 = image_sha256(image, threading.Event())
        result = ReproduceResult(report, folder / report.image.path, sha256, 0)
        if result.same:
            return result
        (scratch / PACKAGES).write_text(built.packages.model_dump_json(), encoding="utf-8")
        return _compared(result, folder, image, progress)


def _compared(result: ReproduceResult, folder: Path, image: Path, progress: Progress) -> ReproduceResult:
    """With what differs. The directory that `image` lies in looks like an output directory."""
    from imagebuild.diff.compare import compare
    from imagebuild.diff.take import take_snapshot

    in_bytes = ""
    if result.before.is_file():
        with stage(progress, "comparing bytes"):
            in_bytes = difference_in_bytes(result.before, image)
    old, new = take_snapshot(folder, progress), take_snapshot(image.parent, progress)
    difference = compare(replace(old, name="as built"), replace(new, name="again"))
    return replace(result, difference=difference, in_bytes=in_bytes)


def difference_in_bytes(a: Path, b: Path) -> str:
    """Where two images differ for the first time."""
    sizes = a.stat().st_size, b.stat().st_size
    with a.open("rb") as one, b.open("rb") as other:
        position = 0
        while (left := one.read(_CHUNK_BYTES)) == (right := other.read(_CHUNK_BYTES)) and left:
            position += len(left)
    if left == right:
        return "the image is identical to the one built again, but differs from its report: it was changed afterwards"
    begin, end = 0, min(len(left), len(right))
    while begin < end:  # the first `begin` bytes agree
        middle = (begin + end + 1) // 2
        if left[begin:middle] == right[begin:middle]:
            begin = middle
        else:
            end = middle - 1
    words = f"the first byte that differs is number {position + begin}"
    return words if sizes[0] == sizes[1] else f"{words}; {sizes[0]} bytes as built, {sizes[1]} rebuilt"
