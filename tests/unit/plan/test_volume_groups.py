"""Volume groups beside the root's are activated by a unit of the image's own."""

from __future__ import annotations

from typing import Any

from imagebuild.plan.areas import DiskModel, disk_model
from imagebuild.plan.facts import Noted, TreeFacts
from imagebuild.plan.steps import MakeLink, WriteFile
from imagebuild.plan.volume_groups import activation_edits
from imagebuild.recipe.model import Disk
from tests.unit.plan.test_any_recipe import tree

ROOT = {"name": "root", "size": "rest", "mount": "/", "filesystem": "ext4"}
DATA = {"name": "srv", "size": "rest", "mount": "/srv", "filesystem": "ext4"}


def disk(**groups: Any) -> DiskModel:
    boot = {"mount": "/boot", "size": "200MiB", "filesystem": "ext3"}
    parts = [boot, *({"size": "2GiB", "volume_group": name} for name in groups)]
    spec = {"layout": "hd00", "size": "8GiB", "partitions": parts, "volume_groups": groups}
    return disk_model(Disk.model_validate(spec))


def facts(*paths: str) -> TreeFacts:
    return tree(100).model_copy(update={"noted": tuple(Noted(path=path, kind="file") for path in paths)})


def test_the_other_group_is_activated() -> None:
    edits = activation_edits(disk(vg0=[ROOT], vg1=[DATA]), facts("/lib/systemd/systemd", "/sbin/lvm"))
    [unit, link] = edits
    assert isinstance(unit, WriteFile)
    assert "ExecStart=/sbin/lvm vgchange -aay vg1\n" in unit.content
    assert isinstance(link, MakeLink)
    assert link.target == unit.path


def test_the_root_s_own_group_needs_nothing() -> None:
    assert activation_edits(disk(vg0=[ROOT]), facts("/lib/systemd/systemd", "/sbin/lvm")) == []


def test_without_systemd_or_lvm_nothing_is_written() -> None:
    for found in ((), ("/sbin/lvm",), ("/lib/systemd/systemd",)):
        assert activation_edits(disk(vg0=[ROOT], vg1=[DATA]), facts(*found)) == []
    assert activation_edits(disk(vg0=[ROOT], vg1=[DATA]), None) == []
