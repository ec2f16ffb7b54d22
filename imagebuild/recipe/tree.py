"""A recipe as it stands in its files: mappings, lists and scalars, each with its place.

The nodes are what `yaml_source.py` reads, `include.py` merges and `variables.py` fills in; `plain()` makes of them
what the model validates. A node keeps the file it came from, so that a mistake in an included file is reported there.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as MappingABC
from collections.abc import Sequence as SequenceABC
from dataclasses import dataclass, replace
from typing import Any

from imagebuild.errors import Problem

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key or a value begins: `file` as the user named it, line and column counted from 1."""

    file: str
    line: int
    column: int

    def problem(self, key: str, message: str) -> Problem:
        return Problem(self.file, self.line, self.column, key, message)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Scalar:
    """One text, number, truth value or nothing. `source` is what was written."""

    place: Place
    value: Value
    source: str


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list. `appends`: it was tagged `!append`, so it goes behind the included file's list."""

    place: Place
    items: tuple[Node, ...]
    appends: bool = False


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys in their order; a key has a place of its own."""

    place: Place
    entries: dict[str, Entry]


@dataclass(frozen=True, slots=True)
class Entry:
    """A key's place, and its value."""

    place: Place
    node: Node


Node = Scalar | Sequence | Mapping
Steps = tuple[str | int, ...]


def plain(node: Node) -> Any:
    """The node as dicts, lists and scalars."""
    match node:
        case Scalar():
            return node.value
        case Sequence():
            return [plain(item) for item in node.items]
        case Mapping():
            return {key: plain(entry.node) for key, entry in node.entries.items()}


@dataclass(frozen=True, slots=True)
class Found:
    """How far steps led: those that exist, the key's (or list item's) place, and the node."""

    steps: tuple[str | int, ...]
    key_place: Place
    node: Node

    @property
    def place(self) -> Place:
        """Where to point a reader: a scalar itself, but the key of anything larger."""
        return self.node.place if isinstance(self.node, Scalar) else self.key_place


def find(root: Node, steps: SequenceABC[str | int]) -> Found:
    """Walk down as far as the tree goes."""
    found = Found((), root.place, root)
    for step in steps:
        entry = child(found.node, step)
        if entry is None:
            break
        found = Found((*found.steps, step), entry.place, entry.node)
    return found


def transform(node: Node, change: Callable[[Steps, Scalar], Scalar], steps: Steps = ()) -> Node:
    """The tree with every scalar changed."""
    match node:
        case Scalar():
            return change(steps, node)
        case Sequence():
            items = tuple(transform(item, change, (*steps, index)) for index, item in enumerate(node.items))
            return replace(node, items=items)
        case Mapping():
            return Mapping(
                node.place,
                {
                    key: Entry(entry.place, transform(entry.node, change, (*steps, key)))
                    for key, entry in node.entries.items()
                },
            )


def child(node: Node, step: str | int) -> Entry | None:
    """What stands under a key, or at a list's index."""
    if isinstance(node, Mapping):
        return node.entries.get(str(step))
    if isinstance(node, Sequence) and isinstance(step, int) and 0 <= step < len(node.items):
        item = node.items[step]
        return Entry(item.place, item)
    return None


def steps_of(root: Node, key: str) -> list[str | int]:
    """A dotted key as steps. A key that holds dots itself (a volume group's name) is found as well."""
    words = key.split(".") if key else []
    steps: list[str | int] = []
    node: Node | None = root
    while words:
        taken = 1
        step: str | int = words[0]
        if isinstance(node, Mapping):
            for length in range(len(words), 0, -1):
                if (name := ".".join(words[:length])) in node.entries:
                    taken, step = length, name
                    break
        elif words[0].isdecimal():
            step = int(words[0])
        entry = child(node, step) if node else None
        node = entry.node if entry else None
        steps.append(step)
        words = words[taken:]
    return steps


def dotted(steps: SequenceABC[str | int]) -> str:
    """Steps as people read them: `disk.partitions.0.size`."""
    return ".".join(str(step) for step in steps)


def shown(value: Any) -> str:
    """What was found, in a few words: `'ext7'`, `the number 3`, `a list`, `nothing`."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {shortened(str(value))}"
        case str():
            return repr(shortened(value))
        case MappingABC():
            return "a mapping"
        case _:
            return "a list"


def shortened(text: str, limit: int = 60) -> str:
    """The text, or its beginning and an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
