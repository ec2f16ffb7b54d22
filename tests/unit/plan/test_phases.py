"""Every kind of step has one phase, and the disk's model is made once for a plan."""

from __future__ import annotations

import sys
from collections import Counter
from types import FrameType
from typing import Any, get_args

import pydantic
import pytest

from imagebuild.plan import disk_vocabulary as vocabulary
from imagebuild.plan.disk_vocabulary import DiskStep, phases_of
from imagebuild.plan.planner import make_plan
from imagebuild.plan.steps import Edit, FinishingEdit, Plan, TreeEdit, WriteFile
from imagebuild.recipe.model import Recipe
from tests.unit.plan.test_any_recipe import plan_or_refusal, tree
from tests.unit.plan.test_modes import code
from tests.unit.plan.test_volume_groups import DATA, ROOT

DISK = {
    "layout": "hd00",
    "table": "gpt",
    "size": "8GiB",
    "partitions": [
        {"mount": "/boot", "size": "200MiB", "filesystem": "ext3"},
        {"size": "64MiB", "filesystem": "swap"},
        {"mount": "/old", "size": "200MiB", "filesystem": "reiserfs"},
        {"size": "rest", "volume_group": "vg0"},
    ],
    "volume_groups": {"vg0": [{**ROOT, "filesystem": "xfs"}, {**DATA, "filesystem": "btrfs"}]},
}
RECIPE = Recipe.model_validate(
    {"name": "phases", "rootfs": {"tar": "tree.tar"}, "disk": DISK, "boot": {"modes": ["bios", "uefi"]}}
)


def kinds(union: Any) -> set[type]:
    """The classes of a closed union, annotated or not."""
    members = get_args(union)
    return set().union(*map(kinds, members)) if members else {union} if isinstance(union, type) else set()


def test_the_phases_are_the_plan_s_steps_in_their_order() -> None:
    plan = make_plan(RECIPE, tree(300), code())
    phases = plan.phases
    assert {type(step) for step in plan.disk} == kinds(DiskStep)
    parted = [*phases.blank, *phases.populate, *phases.appliance, *phases.identities]
    assert sorted(map(id, parted)) == sorted(map(id, plan.disk))
    for phase in (phases.blank, phases.populate, phases.appliance, phases.identities):
        assert [step for step in plan.disk if step in phase] == list(phase)


def test_no_kind_is_in_two_phases() -> None:
    unions = (vocabulary.BlankStep, vocabulary.PopulateStep, vocabulary.ApplianceStep, vocabulary.SettleVolumeGroup)
    assert sum(len(kinds(union)) for union in unions) == len(kinds(DiskStep))
    assert kinds(TreeEdit) | kinds(FinishingEdit) == kinds(Edit)
    assert not kinds(TreeEdit) & kinds(FinishingEdit)


def test_a_step_of_another_kind_is_no_step() -> None:
    with pytest.raises(AssertionError, match="Expected code to be unreachable"):
        phases_of([vocabulary.Region(offset_bytes=0, size_bytes=1)])  # type: ignore[list-item]


def test_model_kernels_and_arrangement_are_made_once() -> None:
    """Counted while a plan is made, by the names of the functions that are called."""
    called: Counter[str] = Counter()

    def note(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and "/imagebuild/plan/" in frame.f_code.co_filename:
            called[frame.f_code.co_name] += 1

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        plan_or_refusal(RECIPE, tree(300))
    finally:
        sys.setprofile(before)
    once = ("disk_model", "loader_filesystem", "choose_kernels", "arrange", "user_edits", "setup_edits", "tree_source")
    assert {name: called[name] for name in once} == dict.fromkeys(once, 1)


def test_only_ext_is_finished() -> None:
    """A plan that would have the other filesystems left out is no plan, whoever wrote it."""
    plan = make_plan(RECIPE, tree(300))
    content = plan.model_dump() | {"finishing": [WriteFile(path="/etc/motd", content="x").model_dump()]}
    with pytest.raises(pydantic.ValidationError, match="only ext filesystems can be finished"):
        Plan.model_validate(content)
