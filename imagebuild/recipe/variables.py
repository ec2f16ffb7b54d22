"""`${name}` in scalars, filled in after parsing: a value can never become a key, a list or another piece of YAML.

Values come from `variables:` (which may use other variables) and from `--set name=value`, which wins and is taken as
it is. `$${` stands for `${` itself. What comes out is a text; the model reads numbers and truth values from texts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as MappingABC
from dataclasses import dataclass, replace

from imagebuild.errors import Problem
from imagebuild.recipe.nearest import did_you_mean
from imagebuild.recipe.tree import Entry, Mapping, Place, Scalar, Steps, dotted, plain, shown, transform
from imagebuild.recipe.yaml_source import UNUSABLE

# Of everything filled in: without a bound, ten lines of `b: ${a}${a}` would be more than a machine holds.
MAX_CHARACTERS = 2**20

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REFERENCE = re.compile(r"\$\$\{|\$\{(?P<name>[^{}]*)\}|\$\{")


@dataclass(frozen=True, slots=True)
class Filled:
    """The recipe without `variables`, the mistakes, and the scalars that could not be filled in for their sake."""

    root: Mapping
    problems: list[Problem]
    unfilled: frozenset[Place]


def fill_in(root: Mapping, settings: MappingABC[str, str], file: str) -> Filled:
    """Fill in all variables. `file` is the recipe's name, for what is wrong with `settings`."""
    filler = _Filler(root.entries.get("variables"), settings)
    filler.check_declared()
    rest = Mapping(root.place, {key: entry for key, entry in root.entries.items() if key != "variables"})
    filled = transform(rest, filler.fill)
    assert isinstance(filled, Mapping)
    filler.check_settings(file)
    return Filled(filled, filler.problems, frozenset(filler.unfilled))


class _Problem(Exception):  # noqa: N818 (it never leaves this module)
    """What is wrong with one reference."""


class _Filler:
    def __init__(self, variables: Entry | None, settings: MappingABC[str, str]) -> None:
        self.problems: list[Problem] = []
        self.unfilled: set[Place] = set()
        self._settings = settings
        self._values: dict[str, str] = dict(settings)
        self._failed: set[str] = set()  # told once, where they are declared
        self._used: set[str] = set()
        self._room = MAX_CHARACTERS
        self._declared = self._declare(variables)

    def _declare(self, variables: Entry | None) -> dict[str, Scalar]:
        declared: dict[str, Scalar] = {}
        if variables is None:
            return declared
        if not isinstance(variables.node, Mapping):
            message = f"found {shown(plain(variables.node))}; needed: a mapping, such as {{release: bookworm}}"
            self.problems.append(variables.place.problem("variables", message))
            return declared
        for name, entry in variables.node.entries.items():
            key = f"variables.{name}"
            if not _NAME.fullmatch(name):
                message = f"found {shown(name)}; a variable's name holds letters, digits and _, no digit first"
                self.problems.append(entry.place.problem(key, message))
            elif not isinstance(entry.node, Scalar) or entry.node.value is None:
                message = f"found {shown(plain(entry.node))}; a variable holds a text, a number, true or false"
                self.problems.append(entry.place.problem(key, message))
                declared[name] = Scalar(entry.place, None, "")
                self._failed.add(name)
            else:
                declared[name] = entry.node
        return declared

    def check_declared(self) -> None:
        """Fill in the variables themselves: what is wrong with one is told where it stands, once."""
        for name, scalar in self._declared.items():
            try:
                self._value(name, ())
            except _Problem as problem:
                if str(problem):
                    self.problems.append(scalar.place.problem(f"variables.{name}", str(problem)))

    def fill(self, steps: Steps, scalar: Scalar) -> Scalar:
        """One scalar of the recipe with its variables filled in, or as it is when that cannot be done."""
        if not isinstance(scalar.value, str) or "${" not in scalar.value:
            return scalar
        try:
            text = self._text(scalar.value, ())
        except _Problem as problem:
            if str(problem):
                self.problems.append(scalar.place.problem(dotted(steps), str(problem)))
            self.unfilled.add(scalar.place)
            return scalar
        return replace(scalar, value=text, source=text)

    def check_settings(self, file: str) -> None:
        known = {*self._declared, *self._used}
        for name, value in self._settings.items():
            if name not in known:
                message = f"no variable of this name is used{did_you_mean(name, known)}{_listed(known)}"
                self.problems.append(Problem(file, 0, 0, f"--set {name}", message))
            elif found := UNUSABLE.search(value):
                message = f"found the character U+{ord(found[0]):04X}: a text must not contain it"
                self.problems.append(Problem(file, 0, 0, f"--set {name}", message))

    def _text(self, text: str, above: tuple[str, ...]) -> str:
        parts: list[str] = []
        end = 0
        for match in _REFERENCE.finditer(text):
            parts.append(text[end : match.start()])
            parts.append("${" if match[0] == "$${" else self._reference(match, above))
            end = match.end()
            self._take(len(parts[-1]))
        parts.append(text[end:])
        self._take(sum(map(len, parts)))
        return "".join(parts)

    def _take(self, characters: int) -> None:
        self._room -= characters
        if self._room < 0:
            raise _Problem(
                f"more than {MAX_CHARACTERS // 2**20} MiB with all variables filled in: too large for a recipe"
            )

    def _reference(self, match: re.Match[str], above: tuple[str, ...]) -> str:
        name = match["name"]
        if name is None or not _NAME.fullmatch(name):
            raise _Problem(f"found {shown(match[0])}; a variable is written ${{name}}, the text ${{ itself $${{")
        self._used.add(name)
        return self._value(name, above)

    def _value(self, name: str, above: tuple[str, ...]) -> str:
        if name in self._values:
            return self._values[name]
        if name in self._failed:
            raise _Problem  # told before
        if name in above:
            self._failed.add(name)
            raise _Problem(f"the variable refers to itself: {' → '.join((*above[above.index(name) :], name))}")
        if name not in self._declared:
            known = {*self._declared, *self._settings}
            raise _Problem(
                f"unknown variable {name!r}{did_you_mean(name, known)}{_listed(known)}; give it a value under "
                f"variables or with --set {name}=VALUE; the text itself is written $${{{name}}}"
            )
        try:
            self._values[name] = self._text(self._declared[name].source, (*above, name))
        except _Problem:
            self._failed.add(name)
            raise
        return self._values[name]


def _listed(names: set[str]) -> str:
    return f"; known: {', '.join(sorted(names))}" if names else ""
