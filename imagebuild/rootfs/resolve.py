"""What is in the cache for a recipe, without making anything: for `imagebuild plan`."""

from __future__ import annotations

from imagebuild.errors import BuildError
from imagebuild.host.cache import Cache
from imagebuild.plan.facts import TreeFacts
from imagebuild.plan.planner import tree_source
from imagebuild.recipe.load import LoadedRecipe
from imagebuild.rootfs import tree as rootfs
from imagebuild.rootfs.own_kernels import with_own_kernels


def facts_in_cache(loaded: LoadedRecipe, cache: Cache) -> TreeFacts | None:
    """What the tree told when it was made, or None when it is not in the cache (or its archive is missing)."""
    source = tree_source(loaded.recipe)
    try:
        resolved = rootfs.resolve(source, loaded.folder, cache, loaded.lock)
    except BuildError:
        return None
    tree = rootfs.find_tree(resolved, source, loaded.folder, cache)
    return with_own_kernels(tree.facts, loaded, cache) if tree else None
