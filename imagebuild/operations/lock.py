"""The exact packages of a recipe's tree, written down beside the recipe."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from imagebuild.errors import BuildError, HostError
from imagebuild.events import Screen
from imagebuild.host.cache import Cache
from imagebuild.operations.journal import Journal

if TYPE_CHECKING:
    from imagebuild.events import Progress
    from imagebuild.plan.steps import BootstrapDebian
    from imagebuild.recipe.load import LoadedRecipe
    from imagebuild.recipe.lock import PackageLock
    from imagebuild.rootfs.packages import Packages


class LockState(StrEnum):
    WRITTEN = "written"  # there was none
    UNCHANGED = "unchanged"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class LockRequest:
    """`update`: make each tree again first, of what the mirror has today."""

    recipes: tuple[Path, ...]
    settings: Mapping[str, str]
    update: bool = False


@dataclass(frozen=True, slots=True)
class LockResult:
    path: Path
    state: LockState
    lock: PackageLock


def lock_recipes(request: LockRequest, watch: Callable[[], AbstractContextManager[Screen]]) -> Iterator[LockResult]:
    """Write each recipe's lock beside it, once all of them can be read. `watch` gives a screen for each."""
    from imagebuild.recipe.load import load_recipe
    from imagebuild.recipe.lock import lock_path

    recipes = [load_recipe(path, request.settings) for path in request.recipes]
    for loaded in recipes:
        with watch() as screen:
            lock = _lock(loaded, Journal(screen), update=request.update)
        path = lock_path(loaded.path)
        before = path.read_text(encoding="utf-8") if path.is_file() else None
        _write(path, lock.text())
        unchanged = LockState.UNCHANGED if before == lock.text() else LockState.CHANGED
        yield LockResult(path, LockState.WRITTEN if before is None else unchanged, lock)


def _lock(loaded: LoadedRecipe, progress: Progress, *, update: bool) -> PackageLock:
    from imagebuild.events import stage
    from imagebuild.plan.planner import tree_source
    from imagebuild.plan.steps import BootstrapDebian
    from imagebuild.rootfs import tree as rootfs
    from imagebuild.rootfs.lock import lock_of

    cache, source = Cache(), tree_source(loaded.recipe)
    resolved = rootfs.resolve(source, loaded.folder, cache)
    if not isinstance(source, BootstrapDebian):
        from imagebuild.rootfs.packages import Packages

        none = Packages(tree=resolved.digest, packages=())
        return lock_of(loaded, none, 0, content_sha256=resolved.content_sha256, apt_sources=())
    if update:
        _forget(resolved, cache)
    with stage(progress, "root tree") as mark:
        tree, mark.cached = rootfs.get_tree(resolved, source, loaded.folder, cache, progress)
    packages = tree.packages
    if any(package.size_bytes is None for package in packages.packages):  # made before sizes were noted
        with stage(progress, "sizes"):
            packages = _with_sizes(packages, source, resolved.apt_sources, cache, progress)
    return lock_of(loaded, packages, tree.facts.epoch, content_sha256=None, apt_sources=resolved.apt_sources)


def _forget(resolved: object, cache: Cache) -> None:
    from imagebuild.host.cache import Entry
    from imagebuild.rootfs import tree as rootfs

    assert isinstance(resolved, rootfs.ResolvedTree)
    path = cache.path(rootfs.KIND, resolved.digest)
    if path.is_dir() and not cache.remove(Entry(rootfs.KIND, resolved.digest, path, 0, 0)):
        raise BuildError("another run is using the tree in the cache", resolution="lock again when that run has ended")


def _with_sizes(
    packages: Packages, source: BootstrapDebian, apt_sources: tuple[str, ...], cache: Cache, progress: Progress
) -> Packages:
    from imagebuild.rootfs.debian import bootstrap as debian
    from imagebuild.rootfs.packages import stanzas

    index = debian.offered(source, apt_sources, [package.name for package in packages.packages], cache, progress)
    sizes = {fields["sha256"]: int(fields["size"]) for fields in stanzas(index) if {"sha256", "size"} <= fields.keys()}
    told = [one.model_copy(update={"size_bytes": sizes.get(one.sha256 or "")}) for one in packages.packages]
    return packages.model_copy(update={"packages": tuple(told)})


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.rename(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise HostError(
            f"{path} cannot be written: {error.strerror}",
            resolution="the lock file is written beside the recipe: make that directory writable",
        ) from error
