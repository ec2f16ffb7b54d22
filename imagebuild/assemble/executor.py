"""assemble: a finished plan and its tree in, a raw image out. Nothing is decided: the plan says it all.

Start here to see how a plan is carried out: phase by phase, each by one exhaustive `match` over its steps (blank: here;
populate: inside/populate.py; appliance: appliance.py; identities: lvm.py).
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from imagebuild.assemble import appliance
from imagebuild.assemble.boot_code import make_fat, write_boot_code
from imagebuild.assemble.job import PopulateJob, hand_over
from imagebuild.assemble.lvm import write_identities
from imagebuild.assemble.populated import finish_populated, get_populated
from imagebuild.assemble.this_machine import check_fence
from imagebuild.errors import PlanError
from imagebuild.events import Progress, stage
from imagebuild.host import command, disk, namespace
from imagebuild.host.acceleration import accelerator
from imagebuild.host.cache import Cache
from imagebuild.host.checked_entry import checked
from imagebuild.plan.disk_vocabulary import (
    BlankStep,
    CreateDisk,
    MakeFat,
    MakeSwap,
    PackTree,
    PopulateStep,
    WriteBootCode,
    WritePartitionTable,
)
from imagebuild.plan.steps import Plan
from imagebuild.rootfs.tree import Tree

SWAP_PAGE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a plan is carried out with.

    `tree_entry`: the cache entry whose archive the tree is, where it was cached: it is checked while it is unpacked.
    `tree_digest`: of the tree's content, for the cache of populated filesystems. `secrets`: crypt(5) hashes by the
    names that the plan uses. `boot_code`: the directory of GRUB's files (testhost/boot_code.py), if any.
    """

    tree: Tree
    tree_digest: str
    recipe_directory: Path
    secrets: Mapping[str, str]
    tree_entry: Path | None = None
    boot_code: Path | None = None


def assemble(plan: Plan, inputs: Inputs, target: Path, *, cache: Cache, progress: Progress) -> None:
    """Make the plan's image in the file `target` (replaced; removed again when that fails).

    Raises PlanError for a plan that is not final, BuildError (DamagedEntryError: the cache is to blame),
    HostError.
    """
    if plan.pending:
        raise PlanError(
            "",
            "the plan is preliminary: it was made before the tree",
            details="\n".join(plan.pending),
            resolution="plan again with the tree's facts",
        )
    check_fence(plan)
    try:
        with namespace.workspace(cache.root / "work") as space:
            _carry_out(plan, inputs, target, space, cache=cache, progress=progress)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _carry_out(
    plan: Plan, inputs: Inputs, target: Path, space: namespace.Workspace, *, cache: Cache, progress: Progress
) -> None:
    phases = plan.phases
    with stage(progress, "partition table" if plan.layout == "hd00" else "disk"):
        for blank in phases.blank:
            _make_blank(blank, target, space.directory, _Blanks(plan.epoch or 0, inputs.boot_code), progress)
    archives = _empty_archives(phases.populate, space.directory, plan)
    acceleration = accelerator(cache) if phases.appliance else "tcg"
    with appliance.at_work(
        phases.appliance, image=target, archives=archives, acceleration=acceleration, progress=progress
    ) as finish_volumes:
        with stage(progress, "filesystems") as mark:
            populating = _Populating(plan, inputs, target, space, archives, progress)
            if plan.finishing:
                populated, mark.cached = get_populated(
                    plan, inputs.tree_digest, inputs.recipe_directory, cache, space, populating.populate
                )
                with checked(populated) if mark.cached else contextlib.nullcontext():
                    finish_populated(
                        plan, populated, target,
                        space=space, recipe_directory=inputs.recipe_directory, secrets=dict(inputs.secrets),
                        progress=progress,
                    )  # fmt: skip
            else:
                populating.populate(phases.populate)
        if phases.appliance:
            with stage(progress, "volumes"):
                finish_volumes()
    for group in phases.identities:
        write_identities(group, target, plan.epoch or 0)


@dataclass(frozen=True, slots=True)
class _Blanks:
    """What steps without a tree want beside the plan: the moment of files, and where boot code lies."""

    epoch: int
    boot_code: Path | None


def _make_blank(step: BlankStep, target: Path, scratch: Path, given: _Blanks, progress: Progress) -> None:
    match step:
        case CreateDisk():
            with target.open("wb") as image:
                image.truncate(step.size_bytes)
        case WritePartitionTable():
            spans = [
                disk.PartitionSpan(part.start_sector, part.sectors, part.type_code, part.bootable, part.uuid)
                for part in step.partitions
            ]
            disk.write_table(target, step.table, step.uuid or step.disk_id, spans)
        case MakeSwap():
            _make_swap(step, target, scratch, progress)
        case MakeFat():
            make_fat(step, target, scratch, given.boot_code, given.epoch, progress)
        case WriteBootCode():
            write_boot_code(step, target, given.boot_code)
        case _:
            assert_never(step)


def _make_swap(step: MakeSwap, target: Path, scratch: Path, progress: Progress) -> None:
    """A swap area is its first page (mkswap(8)); mkswap knows no offset, so the page is made in a file of its own."""
    area = scratch / "swap"
    with area.open("wb") as file:
        file.truncate(step.where.size_bytes)
    argv = ["mkswap", "--uuid", step.uuid, *(["--label", step.label] if step.label else []), str(area)]
    command.run(argv, doing="making the swap area", log=progress.log)
    with target.open("r+b") as image, area.open("rb") as file:
        image.seek(step.where.runs[0].offset_bytes)  # a stripe or an extent is never smaller than the page
        image.write(file.read(SWAP_PAGE_BYTES))
    area.unlink()


def _empty_archives(steps: tuple[PopulateStep, ...], directory: Path, plan: Plan) -> dict[str, Path]:
    """The archives that the appliance is to unpack, as sparse files by their names.

    No archive is larger: what is in it has to fit into the image, and its headers are smaller than the files.
    """
    archives = {step.archive: directory / step.archive for step in steps if isinstance(step, PackTree)}
    for archive in archives.values():
        with archive.open("wb") as file:
            file.truncate(4 * (plan.size_bytes or 0) + 2**30)
    return archives


@dataclass(frozen=True, slots=True)
class _Populating:
    """How filesystems are made from the plan's tree: in the image, or each in a file of its own."""

    plan: Plan
    inputs: Inputs
    image: Path
    space: namespace.Workspace
    archives: dict[str, Path]
    progress: Progress

    def populate(self, steps: tuple[PopulateStep, ...], directory: Path | None = None) -> None:
        """Into `directory`, or (None) into the image."""
        facts = self.inputs.tree.facts
        job = PopulateJob(
            workspace=self.space.directory,
            lock=self.space.lock,
            epoch=self.plan.epoch or 0,
            recipe_directory=self.inputs.recipe_directory,
            secrets=dict(self.inputs.secrets),
            memory=not facts.user_xattrs and namespace.fits_in_memory(facts.content_bytes),
            tree=self.inputs.tree.archive,
            devices=facts.devices,
            attributes=facts.attributes,
            highest_id=facts.highest_id,
            edits=self.plan.edits,
            filesystems=steps,
            image=self.image,
            archives=self.archives,
            populated=directory,
        )
        module = "imagebuild.assemble.inside.populate"
        entry = self.inputs.tree_entry
        with checked(entry) if entry else contextlib.nullcontext():
            hand_over(job, module, "populating the filesystems", self.progress, network=self.plan.wants_network)
