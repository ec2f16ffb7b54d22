"""The JSON Schema for editors: up to date, and of the same mind as the loader."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from imagebuild.recipe.schema import json_schema
from imagebuild.recipe.tree import plain
from imagebuild.recipe.yaml_source import read_yaml

RECIPES = Path(__file__).parents[3] / "recipes"
VALIDATOR = jsonschema.Draft202012Validator(json_schema())


def test_the_file_is_up_to_date() -> None:
    """Write it anew with: UPDATE_GOLDEN=1 pytest tests/unit/recipe/test_schema.py"""
    text = json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
    path = RECIPES / "recipe.schema.json"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_recipes_are_valid_and_name_it(path: Path) -> None:
    VALIDATOR.validate(plain(read_yaml(path)[0]))
    assert path.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=recipe.schema.json\n")


def recipe(**changes: Any) -> dict[str, Any]:
    return {
        "name": "web",
        "rootfs": {"tar": "rootfs.tar"},
        "disk": {"layout": "hd0", "filesystem": "ext4"},
    } | changes


@pytest.mark.parametrize(
    "changes",
    [
        {"include": ["base.yaml"], "variables": {"a": 1, "b": "x", "c": True}},
        {"rootfs": {"tar": {"path": "rootfs.tar", "sha256": "${digest}"}}},
        {"disk": {"layout": "${layout}", "filesystem": {"type": "ext4", "label": "${label}"}, "size": "${size}"}},
        {"boot": {"timeout": "${wait}", "default": 0}},
        {"verify": {"xen": False, "qemu": "${qemu}"}},
        {"verify": {"xen": {"timeout": "5min", "memory": "1GiB"}}},
    ],
)
def test_allowed(changes: dict[str, Any]) -> None:
    VALIDATOR.validate(recipe(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"nmae": "x"},
        {"name": "a b"},
        {"boot": {"timeout": "soon"}},
        {"disk": {"layout": "hd1", "filesystem": "ext4"}},
        {"disk": {"layout": "hd0", "filesystem": "ext5"}},
        {"verify": {"xen": "maybe"}},
        {"files": [{"path": "/a", "mode": "rw"}]},
    ],
)
def test_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(recipe(**changes))
