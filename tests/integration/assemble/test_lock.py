"""A tree made from a lock is the tree that was locked, bit for bit, in another cache, apt's own record included."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from imagebuild.events import Quiet
from imagebuild.host.cache import Cache
from imagebuild.plan.planner import tree_source
from imagebuild.recipe.load import LoadedRecipe, load_recipe
from imagebuild.rootfs import tree as rootfs
from imagebuild.rootfs.lock import lock_of
from imagebuild.rootfs.tree import Tree

pytestmark = [pytest.mark.integration, pytest.mark.needs("mmdebstrap", "namespace")]


def tree_of(loaded: LoadedRecipe, cache: Cache) -> tuple[Tree, bool]:
    source = tree_source(loaded.recipe)
    resolved = rootfs.resolve(source, loaded.folder, cache, loaded.lock)
    return rootfs.get_tree(resolved, source, loaded.folder, cache, Quiet(), loaded.lock)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def test_a_locked_tree_is_the_same(tmp_path: Path, user_cache: Cache) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(
        "name: small\nrootfs: {debian: {suite: bookworm, variant: essential}}\n"
        "disk: {layout: hd0, size: 1GiB, filesystem: ext4}\n"
    )
    loaded = load_recipe(path)
    tree, _ = tree_of(loaded, user_cache)
    locked = replace(loaded, lock=lock_of(loaded, tree.packages, tree.facts.epoch, content_sha256=None, apt_sources=()))
    again, cached = tree_of(locked, Cache(tmp_path / "cache"))
    assert not cached
    assert sha256(again.archive) == sha256(tree.archive)
    beside, _ = tree_of(locked, user_cache)
    assert beside.archive.samefile(tree.archive), "the tree of just these packages is there: nothing is made twice"
