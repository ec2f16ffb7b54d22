"""`include: [base.yaml]`: other recipes merged first, the including file over them.

Mappings are merged key by key, a list or a scalar replaces the included one, a list tagged `!append` goes behind it.
Of several included files the later wins. Paths count from the including file's folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from imagebuild.errors import Problem, RecipeError
from imagebuild.recipe.tree import Entry, Mapping, Node, Scalar, Sequence, plain, shown
from imagebuild.recipe.yaml_source import read_yaml

# A file that is included on several ways counts each time: two includes in each of many files would double without end.
MAX_FILES = 100


@dataclass(frozen=True, slots=True)
class Gathered:
    """All files of a recipe as one mapping, without `include`. `files` begins with the recipe itself."""

    root: Mapping
    files: tuple[Path, ...]
    problems: list[Problem]


def gather(path: Path) -> Gathered:
    """Read a recipe and all that it includes. Raises RecipeError with what is wrong in any of the files."""
    gatherer = _Gatherer()
    root = gatherer.read(path, ())
    if root is None:
        raise RecipeError(gatherer.problems)
    return Gathered(root, tuple(dict.fromkeys(gatherer.files)), gatherer.problems)


class _Gatherer:
    def __init__(self) -> None:
        self.files: list[Path] = []
        self.problems: list[Problem] = []

    def read(
        self, path: Path, above: tuple[Path, ...], included_by: tuple[str, Scalar] | None = None
    ) -> Mapping | None:
        """The file merged over what it includes; None (and problems) when one of them cannot be read."""
        try:
            root, problems = read_yaml(path)
        except RecipeError as error:
            self.problems += [_at_include(problem, path, included_by) for problem in error.problems]
            return None
        self.files.append(path)
        self.problems += problems
        bases, whole = self._bases(path, root, (*above, path))
        own = Mapping(root.place, {key: entry for key, entry in root.entries.items() if key != "include"})
        merged = own
        for base in reversed(bases):
            merged = self._merge(base, merged)
        return merged if whole else None

    def _bases(self, path: Path, root: Mapping, above: tuple[Path, ...]) -> tuple[list[Mapping], bool]:
        entry = root.entries.get("include")
        if entry is None:
            return [], True
        if not isinstance(entry.node, Sequence):
            message = f"found {shown(plain(entry.node))}; needed: a list of files, such as [base.yaml]"
            self.problems.append(entry.place.problem("include", message))
            return [], False
        bases: list[Mapping | None] = []
        for index, item in enumerate(entry.node.items):
            key = f"include.{index}"
            if isinstance(item, Scalar) and (refusal := self._refusal(path, item, above)) is None:
                bases.append(self.read(path.parent / str(item.value), above, (key, item)))
                continue
            needed = f"found {shown(plain(item))}; needed: the name of a file"
            self.problems.append(item.place.problem(key, (isinstance(item, Scalar) and refusal) or needed))
            bases.append(None)
        return [base for base in bases if base is not None], None not in bases

    def _refusal(self, path: Path, item: Scalar, above: tuple[Path, ...]) -> str | None:
        name = item.value
        if not isinstance(name, str) or not name:
            return f"found {shown(name)}; needed: the name of a file"
        if "${" in name:
            return f"found {shown(name)}: a file name cannot contain variables (files are included first)"
        try:
            target = (path.parent / name).resolve()
        except (OSError, RuntimeError, ValueError):  # links in a circle (RuntimeError until Python 3.12), a NUL
            return f"found {shown(name)}: the path cannot be resolved; perhaps symbolic links form a loop"
        resolved = [file.resolve() for file in above]
        if target in resolved:
            circle = [*above[resolved.index(target) :], path.parent / name]
            return f"the files include each other in a loop: {' → '.join(file.name for file in circle)}"
        if len(self.files) >= MAX_FILES:
            return f"more than {MAX_FILES} included files: too many for a recipe"
        return None

    def _merge(self, base: Mapping, over: Mapping, key: str = "") -> Mapping:
        entries = dict(base.entries)
        for name, entry in over.entries.items():
            below = f"{key}.{name}" if key else name
            node = self._merge_nodes(entries[name].node, entry.node, below) if name in entries else entry.node
            entries[name] = Entry(entry.place, node)
        return Mapping(over.place, entries)

    def _merge_nodes(self, base: Node, over: Node, key: str) -> Node:
        if isinstance(base, Mapping) and isinstance(over, Mapping):
            return self._merge(base, over, key)
        if isinstance(over, Sequence) and over.appends:
            if isinstance(base, Sequence):
                return Sequence(over.place, (*base.items, *over.items), base.appends)
            message = f"!append extends a list, but {base.place} has {shown(plain(base))}"
            self.problems.append(over.place.problem(key, message))
            return base
        return over


def _at_include(problem: Problem, path: Path, included_by: tuple[str, Scalar] | None) -> Problem:
    """What is wrong with an included file as a whole is said where it is included."""
    if included_by is None or problem.line:
        return problem
    key, item = included_by
    return item.place.problem(key, f"{path}: {problem.message}")
