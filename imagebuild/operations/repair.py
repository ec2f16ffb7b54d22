"""A bootable copy of an image that a boot loader cannot read, and what had to be changed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imagebuild.errors import UsageError, VerifyError
from imagebuild.events import Progress, stage
from imagebuild.host import command
from imagebuild.host.acceleration import accelerator
from imagebuild.host.cache import Cache
from imagebuild.host.scratch import scratch_folder
from imagebuild.image.subject import Subject, open_subject
from imagebuild.report import Check, Outcome
from imagebuild.testhost import Tools, prepare
from imagebuild.vocabulary import DEFAULT_LOADER, BootLoader

if TYPE_CHECKING:
    from imagebuild.repair.facts import BootVolume
    from imagebuild.repair.steps import Repair

_REJECTED = ".rejected"
_MOST_ROUNDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairRequest:
    """`target`: the copy, a new file. `loader`: who shall be able to boot it."""

    image: Path
    target: Path
    loader: BootLoader = DEFAULT_LOADER


@dataclass(frozen=True, slots=True)
class Repaired:
    """`path`: the copy, under another name than was asked for where checks `failed`. `beyond`: what was left."""

    path: Path
    changes: tuple[str, ...]
    beyond: tuple[str, ...]
    failed: tuple[Check, ...]


def repair_image(request: RepairRequest, cache: Cache, progress: Progress) -> Repaired:
    """Write a repaired copy; the image itself is never written.

    Raises VerifyError, HostError or BuildError when it cannot be made; nothing is left behind then.
    """
    target = request.target
    if target.exists() or target.is_symlink():
        message = "the file exists already; choose another name, or remove it first"
        raise UsageError(str(target), message)
    partial = target.with_name(f"{target.name}.partial")
    with stage(progress, "Xen test host") as mark:
        host, mark.cached = prepare(cache, progress)
    try:
        with scratch_folder() as folder:
            repair = _repaired_copy(request, partial, folder, host.tools, cache, progress)
        with stage(progress, "checking the copy"):
            failed = _failures(partial, host.tools, request.loader, progress)
        final = target if not failed else target.with_name(target.name + _REJECTED)
        partial.rename(final)
    finally:
        partial.unlink(missing_ok=True)
    return Repaired(final, repair.changes, repair.beyond, tuple(failed))


def _repaired_copy(
    request: RepairRequest, partial: Path, folder: Path, tools: Tools, cache: Cache, progress: Progress
) -> Repair:
    """Look, repair, look again: which kernel a menu names is known only once its mistakes are gone."""
    from imagebuild.repair.decide import decide_repair
    from imagebuild.repair.executor import Place, carry_out
    from imagebuild.repair.steps import Repair

    with stage(progress, "copying the image"), open_subject(request.image, tools, folder) as subject:
        source = str(subject.raw.resolve())
        command.run(["cp", "--sparse=always", "--reflink=auto", source, str(partial)], doing="copying the image")
        partial.chmod(0o644)
    done = Repair((), (), ())
    for _round in range(_MOST_ROUNDS):
        with stage(progress, "inspecting the image"), open_subject(partial, tools, folder) as subject:
            volume = _volume(subject, request.image, request.loader)
            repair = decide_repair(volume)
        done = Repair(done.steps + repair.steps, done.changes + repair.changes, repair.beyond)
        if not repair.steps:
            break
        place = Place(volume.partition, volume.offset_bytes, volume.size_bytes)
        with stage(progress, "repairing the copy"):
            carry_out(repair.steps, partial, place, folder, accelerator(cache), progress.log)
    return done


def _volume(subject: Subject, image: Path, loader: BootLoader) -> BootVolume:
    from imagebuild.repair.boot_volume import boot_volume
    from imagebuild.verify.view import View

    volume = boot_volume(View(subject, loader))
    if volume is None:
        raise VerifyError(
            f"{image} has no filesystem where a boot loader looks, so there is nothing to repair",
            details=f"found: {', '.join(f'{place.name} {place.type}' for place in subject.places) or 'nothing known'}",
            resolution="build a new image from its tree: a recipe with `rootfs: {image: …}`",
        )
    return volume


def _failures(image: Path, tools: Tools, loader: BootLoader, progress: Progress) -> list[Check]:
    from imagebuild.verify.static import run_static

    with (
        scratch_folder() as folder,
        open_subject(image, tools, folder) as subject,
    ):
        result = run_static(subject, progress, loader)
    if result.unheard:
        raise VerifyError(f"the repaired copy could not be checked: {result.unheard[0]}", resolution="run it again")
    return [check for check in result.checks if check.outcome is Outcome.FAILED]
