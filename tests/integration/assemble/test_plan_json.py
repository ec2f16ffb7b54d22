"""A plan is data: one that was written as JSON and read again is assembled, to the image that its recipe makes."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from imagebuild.assemble.executor import Inputs, assemble
from imagebuild.errors import PlanError
from imagebuild.events import Quiet
from imagebuild.host.cache import Cache
from imagebuild.operations.image import build_image
from imagebuild.plan.planner import make_plan, tree_source
from imagebuild.plan.steps import Plan
from imagebuild.recipe.load import load_recipe
from imagebuild.rootfs import tree as rootfs
from tests.integration.assemble.sources import trees
from tests.integration.assemble.sources.ext_reader import read_ext

pytestmark = [pytest.mark.integration, pytest.mark.needs("namespace", "mke2fs", "debugfs")]

DISK = """\
name: test
rootfs: {tar: rootfs.tar}
disk: {layout: hd00, partitions: [{mount: /boot, size: 40MiB, filesystem: ext2}, {size: 16MiB, filesystem: swap},
  {mount: /, size: 48MiB, filesystem: ext4}]}
verify: {qemu: false}
files: [{path: /etc/motd, content: hello}]
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    with tarfile.open(tmp_path / "rootfs.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        trees.add_boot_files(archive)
    path = tmp_path / "recipe.yaml"
    path.write_text(DISK)
    return path


def test_a_plan_s_json_is_assembled(recipe: Path, tmp_path: Path) -> None:
    loaded, cache, target = load_recipe(recipe), Cache(tmp_path / "cache"), tmp_path / "from-plan.raw"
    source = tree_source(loaded.recipe)
    resolved = rootfs.resolve(source, tmp_path, cache)
    tree, _cached = rootfs.get_tree(resolved, source, tmp_path, cache, Quiet())
    (tmp_path / "plan.json").write_text(make_plan(loaded.recipe, tree.facts).model_dump_json())

    plan = Plan.model_validate_json((tmp_path / "plan.json").read_bytes())
    inputs = Inputs(tree, cache.content_digest(rootfs.KIND, resolved.digest), tmp_path, {})
    assemble(plan, inputs, target, cache=cache, progress=Quiet())

    build_image(loaded, tmp_path / "built.raw", cache=cache, progress=Quiet(), secrets={})
    assert target.read_bytes() == (tmp_path / "built.raw").read_bytes()
    root = plan.phases.populate[1]
    assert root.kind == "make-ext"
    assert root.region is not None
    assert read_ext(target, root.region.offset_bytes)[b"etc/motd"].content == b"hello"


def test_a_preliminary_plan_is_refused(recipe: Path, tmp_path: Path) -> None:
    loaded, cache, target = load_recipe(recipe), Cache(tmp_path / "cache"), tmp_path / "i.raw"
    source = tree_source(loaded.recipe)
    resolved = rootfs.resolve(source, tmp_path, cache)
    tree, _cached = rootfs.get_tree(resolved, source, tmp_path, cache, Quiet())
    with pytest.raises(PlanError, match="preliminary"):
        assemble(make_plan(loaded.recipe, None), Inputs(tree, "", tmp_path, {}), target, cache=cache, progress=Quiet())
    assert not target.exists()
