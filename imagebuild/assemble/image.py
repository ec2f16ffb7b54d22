"""build_image: a recipe in, a finished raw image and what is known about it out.

Start here to see how a plan is carried out. Nothing is decided: the plan says it all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from imagebuild.assemble import appliance
from imagebuild.assemble.inside.populate import LayJob
from imagebuild.assemble.job import hand_over
from imagebuild.assemble.laid import finish_laid, get_laid
from imagebuild.assemble.lvm import settle
from imagebuild.events import Progress, stage
from imagebuild.host import command, disk, namespace
from imagebuild.host.acceleration import accelerator
from imagebuild.host.cache import Cache
from imagebuild.plan.disk_vocabulary import (
    CreateDisk,
    CreateLogicalVolume,
    CreateVolumeGroup,
    LaidStep,
    MakeAndFill,
    MakeBtrfs,
    MakeExt,
    MakeSwap,
    MakeXfs,
    PackTree,
    SettleVolumeGroup,
    WritePartitionTable,
)
from imagebuild.plan.planner import make_plan, tree_source
from imagebuild.plan.steps import Plan
from imagebuild.recipe.load import LoadedRecipe
from imagebuild.rootfs import tree as rootfs
from imagebuild.rootfs.own_kernels import with_own_kernels
from imagebuild.rootfs.packages import Packages
from imagebuild.rootfs.tree import Tree

SWAP_PAGE_BYTES = 4096
_APPLIANCE_STEPS = (CreateVolumeGroup, CreateLogicalVolume, MakeAndFill)


@dataclass(frozen=True, slots=True)
class Built:
    """What was built: the final plan, and the packages of its tree."""

    plan: Plan
    packages: Packages


def build_image(
    loaded: LoadedRecipe, target: Path, *, cache: Cache, progress: Progress, secrets: Mapping[str, str]
) -> Built:
    """Build the recipe's image into the file `target` (made anew; removed again when the build fails).

    `secrets`: crypt(5) hashes by the names that the plan uses. Raises PlanError, BuildError, HostError.
    """
    source = tree_source(loaded.recipe)
    with stage(progress, "root tree") as mark:
        resolved = rootfs.resolve(source, loaded.folder, cache, loaded.lock, loaded.epoch)
        tree, mark.cached = rootfs.get_tree(resolved, source, loaded.folder, cache, progress, loaded.lock)
        facts = with_own_kernels(tree.facts, loaded, cache)
        content = cache.content_digest(rootfs.KIND, resolved.digest)
    plan = make_plan(loaded.recipe, facts)
    progress.log(f"plan {plan.digest}")
    try:
        _execute(plan, tree, content, loaded.folder, target, cache=cache, progress=progress, secrets=secrets)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return Built(plan, tree.packages)


def _execute(
    plan: Plan,
    tree: Tree,
    content: str,
    recipe_folder: Path,
    target: Path,
    *,
    cache: Cache,
    progress: Progress,
    secrets: Mapping[str, str],
) -> None:
    with namespace.workspace(cache.root / "work") as space:
        laid_steps = [step for step in plan.disk if isinstance(step, (MakeExt, MakeBtrfs, MakeXfs, PackTree))]
        archives = {step.archive: space.folder / step.archive for step in laid_steps if isinstance(step, PackTree)}
        with stage(progress, "partition table" if plan.layout == "hd00" else "disk"):
            _lay_out(plan, target)
        for archive in archives.values():
            with archive.open("wb") as file:
                file.truncate(_most_archive_bytes(plan))
        steps = [step for step in plan.disk if isinstance(step, _APPLIANCE_STEPS)]
        acceleration = accelerator(cache) if steps else "tcg"
        with appliance.at_work(
            steps, image=target, archives=archives, acceleration=acceleration, progress=progress
        ) as finish_volumes:
            with stage(progress, "filesystems") as mark:
                laying = _Laying(plan, tree, recipe_folder, target, space, archives, dict(secrets), progress)
                if plan.finishing:
                    laid, mark.cached = get_laid(plan, content, recipe_folder, cache, space, laying.lay)
                    finish_laid(
                        plan, laid, target,
                        space=space, recipe_folder=recipe_folder, secrets=dict(secrets), progress=progress,
                    )  # fmt: skip
                else:
                    laying.lay(tuple(laid_steps))
                for step in plan.disk:
                    if isinstance(step, MakeSwap):
                        _make_swap(step, target, space.folder, progress)
            if steps:
                with stage(progress, "volumes"):
                    finish_volumes()
        for step in plan.disk:
            if isinstance(step, SettleVolumeGroup):
                settle(step, target, plan.epoch or 0)


def _most_archive_bytes(plan: Plan) -> int:
    """No archive is larger: what is in it has to fit into the image, and its headers are smaller than the files."""
    return 4 * (plan.size_bytes or 0) + 2**30


def _lay_out(plan: Plan, target: Path) -> None:
    for step in plan.disk:
        if isinstance(step, CreateDisk):
            with target.open("wb") as image:
                image.truncate(step.size_bytes)
        elif isinstance(step, WritePartitionTable):
            spans = [
                disk.PartitionSpan(part.start_sector, part.sectors, part.type_code, part.bootable, part.uuid)
                for part in step.partitions
            ]
            disk.write_table(target, step.table, step.uuid or step.disk_id, spans)


@dataclass(frozen=True, slots=True)
class _Laying:
    """How filesystems are laid from the plan's tree: in the image, or each in a file of its own."""

    plan: Plan
    tree: Tree
    recipe_folder: Path
    image: Path
    space: namespace.Workspace
    archives: dict[str, Path]
    secrets: dict[str, str]
    progress: Progress

    def lay(self, steps: tuple[LaidStep, ...], folder: Path | None = None) -> None:
        """Into `folder`, or (None) into the image."""
        facts = self.tree.facts
        job = LayJob(
            workspace=self.space.folder,
            lock=self.space.lock,
            epoch=self.plan.epoch or 0,
            recipe_folder=self.recipe_folder,
            secrets=self.secrets,
            memory=not facts.user_xattrs and namespace.fits_in_memory(facts.content_bytes),
            tree=self.tree.archive,
            devices=facts.devices,
            attributes=facts.attributes,
            highest_id=facts.highest_id,
            edits=self.plan.edits,
            filesystems=steps,
            image=self.image,
            archives=self.archives,
            laid=folder,
        )
        network = any(edit.kind == "run-script" and edit.network for edit in self.plan.edits)
        hand_over(job, "imagebuild.assemble.inside.populate", "laying the filesystems", self.progress, network=network)


def _make_swap(step: MakeSwap, target: Path, scratch: Path, progress: Progress) -> None:
    """A swap area is its first page (mkswap(8)); mkswap knows no offset, so the page is made in a file of its own."""
    area = scratch / "swap"
    with area.open("wb") as file:
        file.truncate(step.where.size_bytes)
    words = ["mkswap", "--uuid", step.uuid, *(["--label", step.label] if step.label else []), str(area)]
    command.run(words, doing="making the swap area", log=progress.log)
    with target.open("r+b") as image, area.open("rb") as file:
        image.seek(step.where.runs[0].offset_bytes)  # a stripe or an extent is never smaller than the page
        image.write(file.read(SWAP_PAGE_BYTES))
    area.unlink()
