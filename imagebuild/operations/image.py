"""The way of a recipe to a raw image: the tree, the plan, the assembly. The one place that plans for a build.

What comes before (is it unchanged?) and behind it (verification, the output directory) is in build.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from imagebuild.assemble.executor import Inputs, assemble
from imagebuild.bootloaders.modes import has_own_code
from imagebuild.events import Progress, stage
from imagebuild.host.cache import Cache
from imagebuild.host.checked_entry import DamagedEntryError, drop
from imagebuild.plan.facts import BootCodeFacts, OwnKernel
from imagebuild.plan.kernel_rules import check_kernel
from imagebuild.plan.modes import boot_code_files
from imagebuild.plan.planner import make_plan, tree_source
from imagebuild.plan.secret_files import secret_texts
from imagebuild.plan.steps import Plan
from imagebuild.recipe.load import LoadedRecipe
from imagebuild.rootfs import tree as rootfs
from imagebuild.rootfs.kernel_files import own_kernels
from imagebuild.rootfs.packages import Package, Packages
from imagebuild.testhost.boot_code import get_boot_code


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
    own = own_kernels(loaded, cache)
    _check_own_kernels(loaded, own)
    with stage(progress, "root tree") as mark:
        resolved = rootfs.resolve(source, loaded.folder, cache, loaded.lock, loaded.epoch)
        tree, mark.cached = rootfs.get_tree(resolved, source, loaded.folder, cache, progress, loaded.lock)
        facts = tree.facts.model_copy(update={"own_kernels": own})
        digest = cache.content_digest(rootfs.KIND, resolved.digest)
    directory, code = _boot_code(loaded, cache, progress)
    plan = make_plan(loaded.recipe, facts, code)
    progress.log(f"plan {plan.digest}")
    told = {**secret_texts(loaded.recipe), **secrets}
    entry = cache.path(rootfs.KIND, resolved.digest) if mark.cached else None
    inputs = Inputs(tree, digest, loaded.folder, told, tree_entry=entry, boot_code=directory)
    assemble(plan, inputs, target, cache=cache, progress=progress)
    return Built(plan, with_boot_code(tree.packages, plan))


def _boot_code(loaded: LoadedRecipe, cache: Cache, progress: Progress) -> tuple[Path | None, BootCodeFacts | None]:
    """GRUB's files for the recipe's boot modes; none where no mode wants any in the image."""
    if not has_own_code(loaded.recipe.boot.modes):
        return None, None
    with stage(progress, "boot code") as mark:
        directory, code, mark.cached = get_boot_code(cache, progress)
    return directory, code


def with_boot_code(packages: Packages, plan: Plan) -> Packages:
    """The tree's packages, and those that the image's boot code comes from: they are not installed in the tree."""
    known = {package.name for package in packages.packages}
    more = {
        file.package: Package(name=file.package, version=file.version, architecture="amd64", sha256=file.package_sha256)
        for file in boot_code_files(plan.disk)
        if file.package not in known
    }
    if not more:
        return packages
    together = sorted((*packages.packages, *more.values()), key=lambda package: (package.name, package.architecture))
    return packages.model_copy(update={"packages": tuple(together)})


def _check_own_kernels(loaded: LoadedRecipe, kernels: tuple[OwnKernel, ...]) -> None:
    """Raises PlanError for a kernel that could not start, before a tree is made for it."""
    boot = loaded.recipe.boot
    for own in kernels:
        for kernel in own.kernels:
            check_kernel(kernel, loaded.recipe.architecture, boot.loader, repack=boot.repack is not None)
