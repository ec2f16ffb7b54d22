"""What stands in the root of the repository agrees with itself."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]


def recipe_lines(target: str) -> list[str]:
    """The commands of a target of the Makefile."""
    match = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert match, target
    return [line.strip() for line in match[1].splitlines()]


def test_the_hooks_are_the_linters_of_make_check() -> None:
    config = YAML(typ="safe").load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    hooks = [hook["entry"] for repo in config["repos"] for hook in repo["hooks"]]
    linters = [line.removesuffix(" .") for line in recipe_lines("check") if "pytest" not in line]
    assert hooks == linters


def test_license() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.split()[:6] == ["GNU", "GENERAL", "PUBLIC", "LICENSE", "Version", "3,"]
    assert len(text.splitlines()) > 600, "the full text"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license"] == "GPL-3.0-or-later"


def test_each_decision_is_listed_and_has_the_same_parts() -> None:
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    files = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    numbers = [path.name[:4] for path in files]
    assert len(set(numbers)) == len(numbers), "a number is given once; one that is missing was never used"
    assert all(number.isdecimal() for number in numbers)
    for path in files:
        headings = re.findall(r"^#+ .*", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert headings[1:] == ["## Context", "## Decision", "## Consequences"], path.name
        assert f"- [{headings[0].removeprefix('# ')}](docs/decisions/{path.name})\n" in contributing


@pytest.mark.parametrize("page", sorted(ROOT.glob("*.md")), ids=lambda page: page.name)
def test_what_a_page_names_is_there(page: Path) -> None:
    """Links, and paths of the checkout between back quotes. (`make docs` checks the links below docs/.)"""
    text = page.read_text(encoding="utf-8")
    names = re.findall(r"\]\((?!https?:)([^)#]+)", text) + re.findall(r"`((?:docs|tests|recipes|\.ci)/[\w./-]+)`", text)
    assert [name for name in names if not (ROOT / name).exists()] == []
