"""Recipes that are refused, each with the whole message: tests/recipes/invalid/*.test, in the form of tests/cases.py.

The first line of the expected text is the exit code. To update the files:
UPDATE_GOLDEN=1 pytest tests/unit/recipe/test_invalid_recipes.py
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imagebuild.cli.run import run
from tests.cases import Case, read_cases, replace_out

INVALID = Path(__file__).parents[2] / "recipes" / "invalid"
DATA_FILES = sorted(INVALID.glob("*.test"))
CASES = sorted((case for path in DATA_FILES for case in read_cases(path).cases), key=lambda case: case.name)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_whole_message(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case.make_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    code = run(["validate", "recipe.yaml"])
    found = f"exit code {code}\n{capsys.readouterr().err}"
    if os.environ.get("UPDATE_GOLDEN"):
        replace_out(case, found)
    else:
        assert case.out == found
    assert code in (2, 3)
    assert "pydantic" not in found
    assert "hunter2" not in found, "a secret is shown"


def test_nothing_is_left_out() -> None:
    """Every case has a name of its own, and nothing stands beside the data files that no case reads."""
    assert len({case.name for case in CASES}) == len(CASES)
    assert {path for path in INVALID.iterdir() if path.is_file()} == set(DATA_FILES)
    assert {path.name for path in INVALID.iterdir() if path.is_dir()} == {"bytes"}
    stored = {str(path.relative_to(INVALID / "bytes")) for path in (INVALID / "bytes").rglob("*") if path.is_file()}
    assert stored == {f"{case.name}/{part.name}" for case in CASES for part in case.files if part.kind == "bytes"}
