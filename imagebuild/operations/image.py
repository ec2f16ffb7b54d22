"""The way of a recipe to a raw image: the tree, the plan, the assembly. The one place that plans for a build.

What comes before (is it unchanged?) and behind it (verification, the output directory) is in build.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from imagebuild.assemble.executor import Inputs, assemble
from imagebuild.events import Progress, stage
from imagebuild.host.cache import Cache
from imagebuild.host.checked_entry import DamagedEntryError, drop
from imagebuild.plan.kernel_rules import check_kernel
from imagebuild.plan.planner import make_plan, tree_source
from imagebuild.plan.secret_files import secret_texts
from imagebuild.plan.steps import Plan
from imagebuild.recipe.load import LoadedRecipe
from imagebuild.rootfs import tree as rootfs
from imagebuild.rootfs.kernel_files import own_kernels, with_own_kernels
from imagebuild.rootfs.packages import Packages


@dataclass(frozen=True, slots=True)
class Built:
    """What was built: the final plan, and the packages of its tree."""

    plan: Plan
    packages: Packages


def build_image(
    loaded: LoadedRecipe, target: Path, *, cache: Cache, progress: Progress, secrets: Mapping[str, str]
) -> Built:
    """Get the recipe's tree, plan, and assemble the image in the file `target`.

    What turns out to be damaged in the cache meanwhile is made again, once. `secrets`: crypt(5) hashes by the names
    that the plan uses. Raises PlanError, BuildError, HostError.
    """
    try:
        return _build_image(loaded, target, cache=cache, progress=progress, secrets=secrets)
    except DamagedEntryError as error:
        if not drop(error, cache):
            raise
        progress.note(f"{error.brief}: it is made again")
    return _build_image(loaded, target, cache=cache, progress=progress, secrets=secrets)


def _build_image(
    loaded: LoadedRecipe, target: Path, *, cache: Cache, progress: Progress, secrets: Mapping[str, str]
) -> Built:
    source = tree_source(loaded.recipe)
    _check_own_kernels(loaded, cache)
    with stage(progress, "root tree") as mark:
        resolved = rootfs.resolve(source, loaded.folder, cache, loaded.lock, loaded.epoch)
        tree, mark.cached = rootfs.get_tree(resolved, source, loaded.folder, cache, progress, loaded.lock)
        facts = with_own_kernels(tree.facts, loaded, cache)
        digest = cache.content_digest(rootfs.KIND, resolved.digest)
    plan = make_plan(loaded.recipe, facts)
    progress.log(f"plan {plan.digest}")
    told = {**secret_texts(loaded.recipe), **secrets}
    entry = cache.path(rootfs.KIND, resolved.digest) if mark.cached else None
    inputs = Inputs(tree, digest, loaded.folder, told, tree_entry=entry)
    assemble(plan, inputs, target, cache=cache, progress=progress)
    return Built(plan, tree.packages)


def _check_own_kernels(loaded: LoadedRecipe, cache: Cache) -> None:
    """Raises PlanError for a kernel that could not start, before a tree is made for it."""
    boot = loaded.recipe.boot
    for own in own_kernels(loaded, cache):
        for kernel in own.kernels:
            check_kernel(kernel, loaded.recipe.architecture, boot.loader, repack=boot.repack is not None)
