"""Every command line in the documentation is one: those that only need a recipe are run, the others are parsed."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
import typer

from imagebuild.cli.app import app
from imagebuild.cli.run import run

ROOT = Path(__file__).parents[3]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"])
RUN = ("validate", "plan", "schema", "init", "completion")
_BLOCK = re.compile(r"^```(?:sh|shell|console|bash)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def command_lines(text: str) -> list[list[str]]:
    """The words of every line that calls imagebuild, without what comes before or behind it in a pipe."""
    found = []
    for block in _BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            if "imagebuild " not in line:
                continue
            words = shlex.split(line, comments=True)
            starts = [
                number
                for number, word in enumerate(words)
                if Path(word).name == "imagebuild" and (number == 0 or words[number - 1] in ("|", "&&", ";"))
            ]
            for start in starts:
                rest = words[start + 1 :]
                end = next(
                    (number for number, word in enumerate(rest) if word in ("|", ">", "<", "&&", ";", ">>")), None
                )
                found.append(rest[:end])
    return found


# A file that the page shows whole, with its name above it.
WRITTEN = re.compile(r"^`(?P<name>[\w.]+)`:\n\n```yaml\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
LINES = [(page.relative_to(ROOT), words) for page in PAGES for words in command_lines(page.read_text(encoding="utf-8"))]


def test_there_are_some() -> None:
    assert len(LINES) > 30


@pytest.mark.parametrize(("page", "words"), LINES, ids=[f"{page}: {' '.join(words)}" for page, words in LINES])
def test_it_is_a_command_line(page: Path, words: list[str]) -> None:
    """The parser takes it; nothing is run."""
    parsed: list[str] = []
    command = typer.main.get_command(app)
    for verb in leaves(command):
        verb.callback = lambda **options: parsed.append("one")
    with command.make_context("imagebuild", list(words)) as context:
        command.invoke(context)
    assert parsed == ["one"], f"{page}: imagebuild {' '.join(words)}"


def leaves(command: Any) -> list[Any]:
    """The verbs, also those below a verb."""
    if not hasattr(command, "commands"):
        return [command]
    return [leaf for each in command.commands.values() for leaf in leaves(each)]


@pytest.mark.parametrize("page", [page for page in PAGES if "reference" not in page.parts], ids=lambda page: page.stem)
def test_a_page_can_be_followed(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other in an empty folder, as a reader would."""
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMAGEBUILD_CACHE", str(tmp_path / "cache"))
    for found in WRITTEN.finditer(page.read_text(encoding="utf-8")):
        (tmp_path / found["name"]).write_text(found["text"], encoding="utf-8")
    for words in command_lines(page.read_text(encoding="utf-8")):
        if words and words[0] in RUN and "--from" not in words and all(_there(word) for word in words[1:]):
            assert run([*words, *(["--yes"] if words[0] == "init" and "--yes" not in words else [])]) == 0, words


def _there(word: str) -> bool:
    """Recipes that come from elsewhere (an image, another file) are not there."""
    return not word.endswith(".yaml") or Path(word).exists() or word in ("web.yaml", "db.yaml")
