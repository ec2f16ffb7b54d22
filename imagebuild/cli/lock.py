"""`lock`: write down the exact packages of a recipe's tree. And what `--locked` asks of every recipe."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imagebuild.cli.hands import Load
from imagebuild.cli.terminal import Watcher, choose_display, say, showing
from imagebuild.cli.validate import parse_settings
from imagebuild.errors import OK, BuildError, HostError
from imagebuild.host.cache import Cache

if TYPE_CHECKING:
    from imagebuild.events import Progress
    from imagebuild.plan.steps import BootstrapDebian
    from imagebuild.recipe.load import LoadedRecipe
    from imagebuild.recipe.lock import PackageLock
    from imagebuild.rootfs.packages import Packages


def bound_to_lock(load: Load) -> Load:
    """The same way to read a recipe, which then insists on its lock."""

    def load_locked(path: Path, settings: Mapping[str, str], /) -> LoadedRecipe:
        from imagebuild.rootfs.lock import with_lock

        return with_lock(load(path, settings))

    return load_locked


def lock_recipes(paths: Sequence[Path], settings: Sequence[str], *, update: bool) -> int:
    """Write each recipe's lock beside it. `update`: make the tree anew first, with what the mirror has today."""
    from imagebuild.recipe.load import load_recipe
    from imagebuild.recipe.lock import lock_path

    values = parse_settings(settings)
    recipes = [load_recipe(path, values) for path in paths]
    for loaded in recipes:
        with showing(choose_display(sys.stderr, transient=True)) as display:
            lock = _lock(loaded, Watcher(display), update=update)
        path = lock_path(loaded.path)
        before = path.read_text(encoding="utf-8") if path.is_file() else None
        _write(path, lock.text())
        content = f"{len(lock.packages)} packages" if lock.packages else f"sha256 {lock.content_sha256}"
        word = "written" if before is None else "unchanged" if before == lock.text() else "changed"
        say([[(f"{path}: ", "bold"), (f"{word}, {content}", "")]])
    return OK


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
        raise BuildError(
            "the tree in the cache is used by another run", resolution="lock again when that run has ended"
        )


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
            f"{path} cannot be written: {error.strerror}", resolution="the lock stands beside the recipe: permit that"
        ) from error
