"""load_recipe: from a file to the model, every mistake at once and each where it stands.

yaml_source.py   bytes → a tree of nodes with places
include.py       other recipes merged first
variables.py     ${name} filled in
files.py         the files that it names
model.py         what is allowed; messages.py says in our words what is not
"""

from __future__ import annotations

from collections.abc import Mapping as MappingABC
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from imagebuild.errors import Problem, RecipeError
from imagebuild.recipe.files import resolve_files
from imagebuild.recipe.include import gather
from imagebuild.recipe.lock import PackageLock
from imagebuild.recipe.model import Recipe
from imagebuild.recipe.tree import Mapping, Place, find, plain, steps_of
from imagebuild.recipe.variables import Filled, fill_in

_NO_SETTINGS: MappingABC[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class LoadedRecipe:
    """A valid recipe, and where each of its keys stands.

    `path` is the file as the user named it, `folder` what relative paths in `recipe` count from, `files` the recipe
    and everything it includes. `lock`: what its tree has to be made of, where that was asked for (rootfs/lock.py).
    `epoch`: the moment of its tree (seconds since 1970), where that of an earlier build is asked for.
    """

    recipe: Recipe
    path: Path
    folder: Path
    files: tuple[Path, ...]
    _root: Mapping = field(repr=False)  # it may hold the hash of a password
    lock: PackageLock | None = None
    epoch: int | None = None

    @property
    def root(self) -> Mapping:
        """The recipe as written, included and filled in. It may hold a secret: kept.py knows how to leave that out."""
        return self._root

    def locate(self, key: str) -> tuple[int, int]:
        """Line and column of a dotted key ("disk.partitions.0.size"), or of the nearest parent that is there."""
        place = self.place(key)
        return place.line, place.column

    def place(self, key: str) -> Place:
        """As `locate`, with the file: a key may come from an included one."""
        return find(self._root, steps_of(self._root, key)).place

    def problem(self, key: str, message: str) -> Problem:
        """A mistake that somebody else found (the planner), at the key's place."""
        return self.place(key).problem(key, message)


def load_recipe(path: Path, settings: MappingABC[str, str] = _NO_SETTINGS) -> LoadedRecipe:
    """Read, merge, fill in and validate a recipe. `settings` are the variables given with --set.

    Raises RecipeError with every problem of all its files. Files it names must be there; some are read.
    """
    gathered = gather(path)
    filled = fill_in(gathered.root, settings, str(path))
    root, in_files = resolve_files(filled.root, path)
    problems = [*gathered.problems, *filled.problems]
    _add(problems, in_files, filled)
    recipe: Recipe | None = None
    try:
        recipe = Recipe.model_validate(plain(root))
    except ValidationError as error:
        from imagebuild.recipe.messages import problems_of

        _add(problems, problems_of(error, root), filled)
    if problems or recipe is None:
        raise RecipeError(problems)
    return LoadedRecipe(recipe, path, path.parent.absolute(), gathered.files, root)


def _add(problems: list[Problem], new: list[Problem], filled: Filled) -> None:
    """Add what was found later, but for values that were wrong before: one mistake, one message."""
    places = {(problem.file, problem.line, problem.column) for problem in problems}
    places |= {(place.file, place.line, place.column) for place in filled.unfilled}
    keys = {(problem.file, problem.key) for problem in problems}
    problems += [
        problem
        for problem in new
        if (problem.file, problem.line, problem.column) not in places and (problem.file, problem.key) not in keys
    ]
