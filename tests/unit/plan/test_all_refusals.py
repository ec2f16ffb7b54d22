"""A plan's refusals come all at once, whatever they are about."""

from __future__ import annotations

import pytest

from imagebuild.errors import PlanError
from imagebuild.plan.planner import make_plan
from imagebuild.recipe.model import Recipe
from tests.unit.plan.test_any_recipe import tree


def test_disk_loader_and_kernels_in_one_go() -> None:
    root = {"name": "root", "size": "rest", "mount": "/", "filesystem": {"type": "ext4", "label": "same"}}
    swap = {"size": "64MiB", "filesystem": {"type": "swap", "label": "same"}}
    recipe = Recipe.model_validate(
        {
            "name": "many",
            "rootfs": {"tar": "tree.tar"},
            "disk": {
                "layout": "hd00",
                "size": "4GiB",
                "partitions": [{"size": "2GiB", "volume_group": "vg0"}, swap],
                "volume_groups": {"vg0": [root]},
            },
            "boot": {"kernels": [{"version": "9.9*"}]},
        }
    )
    with pytest.raises(PlanError) as raised:
        make_plan(recipe, tree(100))
    briefs = "\n".join([raised.value.brief, *(other.brief for other in raised.value.others)])
    assert "2 filesystems have the label same" in briefs
    assert "cannot read inside LVM" in briefs
    assert "9.9*" in briefs
