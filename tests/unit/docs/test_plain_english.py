"""What users read is plain English: no word of ours that a reader of other programs' messages would stumble over."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
# Each with what to write in its place.
STUMBLES = {
    r"anew": "again",
    r"for ever": "forever",
    r"folders?": "directory",
    r"at the (most|least)": "at most, at least",
    r"is told": "is reported",
    r"as insisted|insists?": "as requested",
    r"cannot be had": "is unavailable",
    r"(is|are) begun|not begun": "start",
    r"needs your hand": "must be fixed",
    r"is none of": "is not a choice",
    r"judges?|judged": "check, verify",
    r"last words": "last line",
    r"was heard|is heard": "console output",
    r"(was|were)( not)? wanted": "last used",
    r"all is well|well in night": "passed",
    r"laid": "populated",
    r"wish(es)?": "request",
    r"(is|are|was) kept": "is cached, stays",
    r"in vain|nobody's way|a closer look": "say it plainly",
    r"for the network's sake": "because of the network",
    r"take(s)? it out": "remove it",
    r"(is|are) taken out": "is removed",
    r"stands? there (twice|again)": "is listed twice",
    r"may be the judge|its rules are": "the checks use its rules",
}
_PATTERN = re.compile(rf"\b({'|'.join(STUMBLES)})\b", re.IGNORECASE)
# Records, which say what was true on their day, and what belongs to other programs.
_NOT_OURS = ("docs/decisions/", "docs/benchmarks.md", "docs/proof.md")
_CODE = re.compile(r"```.*?```|`[^`\n]*`|\{[^{}\n]*\}|\]\([^)]*\)", re.DOTALL)  # commands, names, addresses
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEMPLATES = sorted((ROOT / "imagebuild").rglob("*.j2"))
MODULES = sorted((ROOT / "imagebuild").rglob("*.py"))


def shown_by(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and text of every string of several words that is no docstring, and of the docstrings that are --help."""
    silent = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and "context" in {argument.arg for argument in node.args.args}:
            yield node.lineno, ast.get_docstring(node) or ""
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in silent:
            yield node.lineno, node.value if " " in node.value.strip() else ""


def stumbles(text: str) -> list[str]:
    return [match[0] for match in _PATTERN.finditer(_CODE.sub(" ", text))]


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_what_the_program_says(path: Path) -> None:
    """Messages, and --help: a verb is a function that takes typer's context."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert [(line, word) for line, text in shown_by(tree) for word in stumbles(text)] == []


@pytest.mark.parametrize("path", [*PAGES, *TEMPLATES], ids=relative)
def test_what_the_pages_say(path: Path) -> None:
    if not relative(path).startswith(_NOT_OURS):
        assert stumbles(path.read_text(encoding="utf-8")) == []


def test_a_stumble_is_found() -> None:
    verb = 'def f(context: C) -> str:\n    """Made anew."""\n'
    tree = ast.parse(f'"""A folder."""\n\n{verb}    return f"a folder {{1}} built anew"\n')
    assert sorted(word for _, text in shown_by(tree) for word in stumbles(text)) == ["anew", "anew", "folder"]
    assert stumbles("`imagebuild --folder x`, {folder}") == []
