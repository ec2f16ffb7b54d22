"""A file of the recipe that others are not to read: its text is in no plan, and each text is another plan."""

from __future__ import annotations

import pytest

from imagebuild.plan.outline import outline
from imagebuild.plan.planner import make_plan
from imagebuild.plan.secret_files import secret_texts
from imagebuild.plan.steps import WriteFile, WriteSecret
from tests.unit.plan.test_planner import facts, recipe

_TEXT = "token=hunter2-and-more\n"


def files(mode: str, content: str = _TEXT) -> list[dict[str, str]]:
    return [{"path": "/etc/app/token", "content": content, "mode": mode}]


@pytest.mark.parametrize("mode", ["0600", "0400", "0700"])
def test_the_text_is_beside_the_plan(mode: str) -> None:
    made = recipe(files=files(mode))
    plan = make_plan(made, facts())
    (edit,) = [edit for edit in plan.all_edits if isinstance(edit, WriteSecret)]
    assert "hunter2" not in plan.model_dump_json() + outline(plan)
    assert secret_texts(made) == {edit.secret: _TEXT}
    assert (edit.path, edit.mode, edit.size_bytes) == ("/etc/app/token", int(mode, 8), len(_TEXT))


@pytest.mark.parametrize("mode", ["0644", "0640", "0604"])
def test_what_others_may_read_is_no_secret(mode: str) -> None:
    made = recipe(files=files(mode))
    assert secret_texts(made) == {}
    written = [edit for edit in make_plan(made, facts()).all_edits if isinstance(edit, WriteFile)]
    assert _TEXT in {edit.content for edit in written}


def test_another_text_is_another_plan() -> None:
    digests = {make_plan(recipe(files=files("0600", text)), facts()).digest for text in ("a", "b", "a")}
    assert len(digests) == 2
