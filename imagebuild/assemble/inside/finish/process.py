"""Runs as root in a private namespace: copies populated filesystems into the image, and writes a recipe's few files.

Started by populated.py as `python -m imagebuild.assemble.inside.finish.process`, with a FinishJob on standard input.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from imagebuild.assemble.inside import debugfs, ext, placement
from imagebuild.assemble.inside.debugfs import belongs, within
from imagebuild.assemble.inside.finish import catalogue as noted
from imagebuild.assemble.inside.finish.changes import Changes, Listing, between
from imagebuild.assemble.inside.finish.frame import make_frame
from imagebuild.assemble.inside.finish.script import commands_for
from imagebuild.assemble.inside.tree_edits import apply_edits
from imagebuild.assemble.job import FinishJob, filesystem_file, serve
from imagebuild.host import command
from imagebuild.plan.disk_vocabulary import MakeExt
from imagebuild.rootfs import times


def main() -> int:
    return serve(FinishJob, _run)


def _run(job: FinishJob) -> None:
    catalogue = noted.read(job.populated / noted.NAME)
    frame = job.workspace / "frame"
    frame.mkdir()
    make_frame(frame, catalogue, job.edits, partial(_read, job))
    before = Listing(frame)
    apply_edits(
        frame, job.edits,
        recipe_directory=job.recipe_directory, secrets=job.secrets, epoch=job.epoch, limits=job.limits,
    )  # fmt: skip
    after = Listing(frame)
    changes = between(before.states, after.states)
    before.close()
    after.close()
    times.clamp_times(frame, job.epoch)
    for number, step in enumerate(job.filesystems):
        _finish(job, step, filesystem_file(job.populated, number), frame, changes, catalogue)


def _read(job: FinishJob, files: Sequence[tuple[str, Path]]) -> None:
    for number, step in enumerate(job.filesystems):
        wanted = [(within(step, name), path) for name, path in files if belongs(step, name)]
        debugfs.take_out(filesystem_file(job.populated, number), wanted)


def _finish(
    job: FinishJob, step: MakeExt, populated: Path, frame: Path, changes: Changes, catalogue: noted.Catalogue
) -> None:
    """Bring one filesystem to its place, with its identity and its files."""
    directory = frame / step.mountpoint.lstrip("/")
    changed = {os.path.realpath(f"{frame}{name}") for name in changes.made}
    without_holes = {path: ext.inside(step.mountpoint, directory, path) for path in step.solid}
    marked = {
        path: ext.mark_zero_blocks(file, step.block_bytes)
        for path, file in without_holes.items()
        if str(file) in changed
    }
    with placement.copied(populated, step.where, job.image, job.workspace) as (target, offset):
        script = list(commands_for(step, frame, changes, catalogue, job.workspace))
        if script:
            debugfs.change(target, offset, script, doing=f"writing files into {step.mountpoint}", epoch=job.epoch)
        for path, blocks in marked.items():
            ext.unmark(step, path, blocks, target, offset)
        _name(step, target, offset, job.epoch)


def _name(step: MakeExt, target: Path, offset: int, epoch: int) -> None:
    """Laid filesystems have no identity of their own: several images are made of one."""
    argv = ["tune2fs", "-U", step.uuid, *(["-L", step.label] if step.label else []), f"{target}?offset={offset}"]
    command.run(argv, doing=f"naming the filesystem of {step.mountpoint}", environment=times.fake_time(epoch))


if __name__ == "__main__":
    raise SystemExit(main())
