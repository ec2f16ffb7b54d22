"""`repair`: a bootable copy of somebody else's image, and what had to be changed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imagebuild.cli.terminal import Segment, Watcher, choose_display, say, showing
from imagebuild.cli.verify import check_file
from imagebuild.errors import BAD_IMAGE, OK, Problem, RecipeError, VerifyError
from imagebuild.events import Progress, stage
from imagebuild.host import command
from imagebuild.host.cache import Cache
from imagebuild.host.scratch import scratch_folder
from imagebuild.image.probe import printable
from imagebuild.report import Check, Outcome

if TYPE_CHECKING:
    from imagebuild.image.subject import Subject
    from imagebuild.repair.boot_volume import BootVolume
    from imagebuild.repair.steps import Repair
    from imagebuild.testhost import Tools
    from imagebuild.vocabulary import BootLoader

_REJECTED = ".rejected"
_MOST_ROUNDS = 3


def repair_image(image: Path, target: Path, *, loader: BootLoader) -> int:
    """Write a repaired copy. Returns 0 when no static check fails on it, else 10 (it is then kept under another name).

    Raises VerifyError, HostError or BuildError when it cannot be made; nothing is left behind then.
    """
    from imagebuild.testhost import prepare

    check_file(image, "image")
    if target.exists() or target.is_symlink():
        message = "this file is there already; name a new one, or remove it first"
        raise RecipeError([Problem(str(target), 0, 0, "", message)])
    partial = target.with_name(f"{target.name}.partial")
    with showing(choose_display(sys.stderr, transient=True)) as display:
        watcher = Watcher(display)
        with stage(watcher, "Xen test host") as mark:
            host, mark.cached = prepare(Cache(), watcher)
        try:
            with scratch_folder() as folder:
                repair = _repaired_copy(image, partial, folder, host.tools, loader, watcher)
            with stage(watcher, "checking the copy"):
                failed = _failures(partial, host.tools, loader, watcher)
            final = target if not failed else target.with_name(target.name + _REJECTED)
            partial.rename(final)
        finally:
            partial.unlink(missing_ok=True)
    say(_words(image, final, repair, failed))
    return BAD_IMAGE if failed else OK


def _repaired_copy(
    image: Path, partial: Path, folder: Path, tools: Tools, loader: BootLoader, progress: Progress
) -> Repair:
    """Look, repair, look again: which kernel a menu names is known only once its mistakes are gone."""
    from imagebuild.host.acceleration import accelerator
    from imagebuild.image.subject import open_subject
    from imagebuild.repair.decide import decide_repair
    from imagebuild.repair.executor import Place, carry_out
    from imagebuild.repair.steps import Repair

    with stage(progress, "copying the image"), open_subject(image, tools, folder) as subject:
        source = str(subject.raw.resolve())
        command.run(["cp", "--sparse=always", "--reflink=auto", source, str(partial)], doing="copying the image")
        partial.chmod(0o644)
    done = Repair((), (), ())
    for _round in range(_MOST_ROUNDS):
        with stage(progress, "looking into it"), open_subject(partial, tools, folder) as subject:
            volume = _volume(subject, image, loader)
            repair = decide_repair(volume)
        done = Repair(done.steps + repair.steps, done.changes + repair.changes, repair.beyond)
        if not repair.steps:
            break
        place = Place(volume.partition, volume.offset_bytes, volume.size_bytes)
        with stage(progress, "repairing the copy"):
            carry_out(repair.steps, partial, place, folder, accelerator(Cache()), progress.log)
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
    from imagebuild.image.subject import open_subject
    from imagebuild.verify.static import run_static

    with (
        scratch_folder() as folder,
        open_subject(image, tools, folder) as subject,
    ):
        checks = run_static(subject, progress, loader)
    return [check for check in checks if check.outcome is Outcome.FAILED]


def _words(image: Path, final: Path, repair: Repair, failed: Sequence[Check]) -> list[list[Segment]]:
    lines: list[list[Segment]] = [[(printable(image.name), "bold"), (" was not changed; the copy:", "")]]
    lines += [[("  changed  ", "green"), (printable(change, 1000), "")] for change in repair.changes]
    lines += [] if repair.changes else [[("  nothing had to be changed", "")]]
    lines += [[("  left     ", "bold red"), (printable(text, 1000), "")] for text in repair.beyond]
    lines += [[("  failed   ", "bold red"), (check.name, "bold"), (f": {check.detail}", "")] for check in failed]
    lines.append([])
    if failed:
        lines.append([(f"{final}: still bad, and kept under this name for a closer look", "bold red")])
    else:
        what = "no static check fails on it; now boot it: imagebuild verify"
        lines.append([(f"{final}: ", "bold"), (f"{what} {final}", "green")])
    return lines
