"""imagebuild's own recipes: installed beside the package (share/imagebuild/recipes), or in the checkout."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
from pathlib import Path

import imagebuild
from imagebuild.errors import HostError, UsageError
from imagebuild.recipe.nearest import did_you_mean

_DIRECTORY = Path("share/imagebuild/recipes")
_BESIDE = re.compile(r"\bfiles/[\w.-]+")  # what a recipe of ours names lies there


def examples() -> dict[str, Path]:
    """Each recipe's file, by its name. Raises HostError where they were not installed."""
    checkout = Path(imagebuild.__file__).parents[1] / "recipes"
    directory = checkout if checkout.is_dir() else _installed()
    return {path.stem: path for path in sorted(directory.glob("*.yaml"))}


def write_example(name: str, directory: Path) -> list[Path]:
    """Copy the recipe and the files that it names into the directory; returns what was written.

    Raises UsageError for a name that is not there, and for a file that is.
    """
    known = examples()
    if name not in known:
        allowed = ", ".join(known)
        raise UsageError(name, f"found no such recipe; there are: {allowed}{did_you_mean(name, known)}")
    source = known[name]
    named = sorted(set(_BESIDE.findall(source.read_text(encoding="utf-8"))))
    wanted = [source.name, *(each for each in named if (source.parent / each).is_file())]
    for each in wanted:
        if (directory / each).exists():
            raise UsageError(str(directory / each), "found a file of that name; write the recipe elsewhere (-o DIR)")
    for each in wanted:
        _copy(source.parent / each, directory / each)
    return [directory / each for each in wanted]


def _copy(source: Path, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    except OSError as error:
        raise HostError(f"{target} cannot be written: {error.strerror}", resolution="name another directory") from error


def _installed() -> Path:
    for file in importlib.metadata.files("imagebuild") or ():
        if file.match(f"{_DIRECTORY}/*.yaml"):
            return Path(str(file.locate())).resolve().parent
    raise HostError("imagebuild's own recipes were not installed", resolution="install imagebuild from its wheel again")
