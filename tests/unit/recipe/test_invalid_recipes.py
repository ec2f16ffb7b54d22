"""Recipes that are refused, each beside the whole message: tests/recipes/invalid/CASE/recipe.yaml and error.txt.

The first line of error.txt is the exit code. Write them anew with:
UPDATE_GOLDEN=1 pytest tests/unit/recipe/test_invalid_recipes.py
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imagebuild.cli.run import run

CASES = Path(__file__).parents[2] / "recipes" / "invalid"


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_whole_message(case: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(CASES / case)
    code = run(["validate", "recipe.yaml"])
    found = f"exit code {code}\n{capsys.readouterr().err}"
    expected = CASES / case / "error.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        expected.write_text(found, encoding="utf-8")
    assert expected.read_text(encoding="utf-8") == found
    assert code in (2, 3)
    assert "pydantic" not in found
    assert "hunter2" not in found, "a secret is shown"
