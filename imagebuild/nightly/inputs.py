"""Everything on this machine that a recipe is made from: which files, and one digest over them all.

The plan names files beside the recipe without reading them, so its digest alone does not tell a changed one.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from imagebuild.errors import RecipeError, UsageError
from imagebuild.host.digest import file_sha256
from imagebuild.plan.accounts import passwords
from imagebuild.recipe.files import FILE_KEYS, FOLDER_KEYS
from imagebuild.recipe.load import LoadedRecipe
from imagebuild.recipe.public_keys import is_written_out
from imagebuild.recipe.yaml_source import read_yaml

# A password's hash takes part in the digest (a changed one is a changed image), but never travels.
_SECRET_KEYS = ("system.root_password.file", "system.users.*.password.file")


def recipes_in(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Files as they are, directories as the *.yaml in them; and the files that were passed over.

    Passed over is what other recipes include and no image comes from: _NAME.yaml, and a file without a name of its own.
    Raises UsageError for a directory without any recipe.
    """
    found: list[Path] = []
    passed_over: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)  # one that is not there is a broken recipe of this night; the others go on
            continue
        inside = sorted(path.glob("*.yaml"))
        parts = [each for each in inside if each.name.startswith("_") or _has_no_name(each)]
        if len(parts) == len(inside):
            raise UsageError(str(path), "found no recipe (*.yaml with a name) in this directory: name another")
        found += [each for each in inside if each not in parts]
        passed_over += parts
    return found, passed_over


def _has_no_name(path: Path) -> bool:
    """Whether it can be read and has no key `name` (nor an include that may give it one)."""
    try:
        top, _problems = read_yaml(path)
    except RecipeError:
        return False  # a recipe that is broken is one that the night tells of
    return not {"name", "include"} & top.entries.keys()


def named_paths(loaded: LoadedRecipe, keys: Sequence[str] = FILE_KEYS + FOLDER_KEYS) -> list[Path]:
    """The files and folders that the recipe's values name."""
    names = [value for key, value in _values(loaded.recipe.model_dump(mode="python")) if key in keys]
    return [loaded.folder / name for name in names if not is_written_out(name)]


def travelling_files(loaded: LoadedRecipe) -> list[Path]:
    """The recipe itself, what it includes, and every file that it names, but for secrets."""
    keys = [key for key in FILE_KEYS + FOLDER_KEYS if key not in _SECRET_KEYS]
    found = [path.absolute() for path in loaded.files]
    for path in named_paths(loaded, keys):
        found += [path] if path.is_file() else sorted(path.rglob("*"))
    return [Path(os.path.normpath(path)) for path in dict.fromkeys(found)]


def inputs_sha256(loaded: LoadedRecipe, settings: Sequence[str], machines: Sequence[str] | None) -> str:
    """The digest of all contents, of what was set on the command line, and of what is to verify it."""
    total = hashlib.sha256(repr((sorted(settings), machines and sorted(machines))).encode())
    for item in passwords(loaded.recipe):
        if item.password.env:
            total.update(hashlib.sha256(os.environ.get(item.password.env, "").encode()).digest())
    for path in [*(path.absolute() for path in loaded.files), *named_paths(loaded)]:
        for each in [path] if not path.is_dir() else sorted(path.rglob("*")):
            line = f"{os.path.relpath(each, loaded.folder)}\0{_digest(each)}\0"
            total.update(line.encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def _digest(path: Path) -> str:
    if path.is_symlink():
        return f"link {path.readlink()}"
    if not path.is_file():
        return "no file"
    return f"{path.stat().st_mode:o} {file_sha256(path)}"


def _values(node: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every text in the recipe with its key, indexes as *: the form in which recipe/files.py lists them."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from _values(value, f"{key}.{name}" if key else str(name))
    elif isinstance(node, (list, tuple)):
        for value in node:
            yield from _values(value, f"{key}.*")
    elif isinstance(node, (str, Path)):
        yield key, str(node)
