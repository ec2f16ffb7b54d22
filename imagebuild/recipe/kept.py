"""The recipe as it is kept beside what was built from it: everything included, variables filled in, no secret.

Paths of files beside the recipe are written as the keeping folder sees them, so that the copy is a recipe like any
other. In the place of a password's hash stands the name of an environment variable to give it in.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from imagebuild.recipe.files import FILE_KEYS, FOLDER_KEYS
from imagebuild.recipe.load import LoadedRecipe
from imagebuild.recipe.tree import Mapping, Scalar, Steps, plain, transform

_REDACTED = "(a secret, not stored)"
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def kept_text(loaded: LoadedRecipe, folder: Path) -> str:
    """The copy for `folder`, as YAML. It holds no secret of the recipe's, wherever that stood."""

    def from_there(steps: Steps, scalar: Scalar) -> Scalar:
        pattern = ".".join("*" if isinstance(step, int) else step for step in steps)
        if pattern not in FILE_KEYS + FOLDER_KEYS or not isinstance(scalar.value, str):
            return scalar
        path = loaded.folder / scalar.value
        if Path(scalar.value).is_absolute() or not _is_there(path):
            return scalar
        return replace(scalar, value=os.path.relpath(path.resolve(), folder.resolve()))

    root = transform(loaded.root, from_there)
    assert isinstance(root, Mapping)
    secrets = set(_secrets(loaded.recipe.model_dump(mode="python")))
    variables: list[str] = []
    redacted = _without(plain(root), secrets, "", variables)
    head = [
        f"# What was built here: {loaded.path.name}, with all that it includes and its variables filled in.",
        "# Paths are relative to this directory. To build it again and compare: imagebuild reproduce .",
        *(f"# Password hashes are not stored: set {name} in the environment." for name in variables),
    ]
    return "\n".join([*head, *_lines(redacted)]) + "\n"


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # no file's name: a key written out (a public one), say
        return False


def _secrets(value: Any) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, dict):
        for one in value.values():
            yield from _secrets(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _secrets(one)


def _without(value: Any, secrets: set[str], key: str, variables: list[str]) -> Any:
    """The value with `hash: SECRET` as `env: NAME`, and any other trace of a secret gone."""
    match value:
        case dict():
            kept: dict[str, Any] = {}
            for name, one in value.items():
                if name == "hash" and one in secrets:
                    variables.append(re.sub(r"[^A-Z0-9]+", "_", key.upper()).strip("_"))
                    kept["env"] = variables[-1]
                else:
                    kept[name] = _without(one, secrets, f"{key}.{name}", variables)
            return kept
        case list():
            return [_without(one, secrets, f"{key}.{number}", variables) for number, one in enumerate(value)]
        case str():
            for secret in secrets:
                value = value.replace(secret, _REDACTED)
            return value
        case _:
            return value


def _lines(value: Any) -> list[str]:
    """YAML in blocks; scalars are JSON's, which are YAML's, too."""
    if isinstance(value, dict) and value:
        lines = []
        for name, one in value.items():
            key = name if _PLAIN_KEY.fullmatch(name) else json.dumps(name, ensure_ascii=False)
            inside = _lines(one)
            is_block = isinstance(one, (dict, list)) and one
            lines += [f"{key}:", *(f"  {line}" for line in inside)] if is_block else [f"{key}: {inside[0]}"]
        return lines
    if isinstance(value, list) and value:
        lines = []
        for one in value:
            first, *rest = _lines(one)
            lines += [f"- {first}", *(f"  {line}" for line in rest)]
        return lines
    text = json.dumps(value, ensure_ascii=False)
    return [text.replace("${", "$${")]
