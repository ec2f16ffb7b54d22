"""The generated pages are those of today's code. Write them anew: `make docs`, or UPDATE_GOLDEN=1 pytest this file."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import jsonschema
import pytest

from imagebuild.cli.manual import GENERATED, generated, verbs
from imagebuild.recipe.reference import recipe_markdown
from imagebuild.recipe.reference_examples import EXAMPLES
from imagebuild.recipe.schema import json_schema
from imagebuild.recipe.tree import plain
from imagebuild.recipe.yaml_source import read_yaml

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("name", GENERATED)
def test_generated_pages_are_current(name: str) -> None:
    path, text = DOCS / name, generated()[name]
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text, "run: make docs"


def test_every_key_of_the_recipe_is_in_the_reference() -> None:
    text = recipe_markdown()
    schema = json_schema()
    for part in (schema, *schema["$defs"].values()):
        for key in part.get("properties", {}):
            assert f"| `{key}` |" in text


def test_defaults_are_written_as_a_user_writes_them() -> None:
    text = recipe_markdown()
    for row in ("| `timeout` | text such as `300s` | `10min` |", "| `timeout` | text such as `300s` | `5min` |",
                "| `free` | text such as `20%` | `20%` |", "| `memory` | size such as `256MiB` | `512MiB` |",
                "| `stripe_size` | size such as `256MiB` | `64KiB` |"):  # fmt: skip
        assert row in text
    assert "PT" not in text
    assert not re.search(r"\| `\d{5,}` \|", text)


def test_every_section_has_an_example_that_is_one(tmp_path: Path) -> None:
    """Each is a piece of a recipe, which the schema allows."""
    sections = re.findall(r"^## (\w+)$", recipe_markdown(), re.MULTILINE)
    assert sections == list(dict.fromkeys(sections))
    assert set(EXAMPLES) == set(sections)
    base = {"name": "web", "rootfs": {"tar": "rootfs.tar"}, "disk": {"layout": "hd0", "filesystem": "ext4"}}
    validator = jsonschema.Draft202012Validator(json_schema())
    for name, example in EXAMPLES.items():
        (tmp_path / "piece.yaml").write_text(example)
        piece = plain(read_yaml(tmp_path / "piece.yaml")[0])
        assert [error.message for error in validator.iter_errors({**base, **piece})] == [], name


def test_every_verb_has_words() -> None:
    for verb in verbs():
        assert verb.about, verb.name
        assert verb.brief, verb.name
    assert {"build", "verify", "diff", "init", "boot", "shell", "cache prune"} <= {verb.name for verb in verbs()}


@pytest.mark.needs("groff")
def test_the_man_page_is_clean() -> None:
    words = ["groff", "-man", "-Kutf8", "-Tutf8", "-ww", "-rLL=100n", str(DOCS / "imagebuild.1")]
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    plain = re.sub(r".\x08|\x1b\[[0-9;]*m", "", done.stdout)  # bold is overstruck or coloured, as groff's set-up says
    assert "imagebuild validate [OPTIONS] RECIPE..." in plain
