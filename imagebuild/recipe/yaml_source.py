"""One YAML file as a tree of nodes with places.

ruamel.yaml splits the file into events; the tree is built from them here, because a recipe wants what no loader has:
the place of every key and value, both places of a duplicate key, bounds for depth and for what aliases expand to, and
no tag that could make an object. Scalars without quotes follow YAML 1.2's core schema (section 10.3.2), so `no`, `on`
and `2023-06-10` are texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

from imagebuild.errors import Problem, RecipeError
from imagebuild.recipe.named_file import NotAFileError, read_named
from imagebuild.recipe.tree import Entry, Mapping, Node, Place, Scalar, Sequence, Value, dotted, shortened

MAX_FILE_BYTES = 2**20
MAX_DEPTH = 32
# A thousand times the largest recipe we know; ruamel reads that many in half a second.
MAX_NODES = 20_000

_TEXT_TAGS = ("!", "tag:yaml.org,2002:str")
_TAGS = {ScalarEvent: _TEXT_TAGS, SequenceStartEvent: ("!append", "tag:yaml.org,2002:seq"),
         MappingStartEvent: ("tag:yaml.org,2002:map",)}  # fmt: skip
_NULLS = ("", "~", "null", "Null", "NULL")
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]{1,30}")
_OCTAL = re.compile(r"0o[0-7]{1,30}")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]{1,30}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]{1,30}|[0-9]{1,30}(\.[0-9]{0,30})?)([eE][-+]?[0-9]{1,2})?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
# What ruamel's words mean for somebody who does not know YAML's grammar.
_HINTS = (
    ("mapping values are not allowed", "; check the indentation, and quote a text that holds a colon and a space"),
    ("'\\t'", "; indent with spaces, not with tabs"),
    ("cannot start any token", "; quote a text that starts with this character"),
    ("could not find expected ':'", "; a key ends with a colon and a space"),
    ("expected <block end>", "; check the indentation"),
    ("unknown escape character", "; in double quotes write \\\\ for \\"),
)
# YAML 1.2, section 5.1: what may stand in a file as itself.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# What an escape in quotes could still bring in, and no text, path or terminal can hold.
UNUSABLE = re.compile("[\0\ud800-\udfff]")


def read_yaml(path: Path) -> tuple[Mapping, list[Problem]]:
    """The file's mapping, and the mistakes that leave the rest of it readable (duplicate keys, unknown tags).

    Raises RecipeError for a file that cannot be read, or is no single YAML mapping.
    """
    text = _text_of(path)
    builder = _Builder(str(path), text)
    try:
        root = builder.build()
    except MarkedYAMLError as error:
        raise RecipeError([*builder.problems, _syntax_problem(str(path), error, text)]) from None
    except (YAMLError, ValueError, OverflowError):  # ruamel on an escape such as "\UFFFFFFFF", and on its own reader
        place = builder.last
        message = "not YAML: the text after this position cannot be read"
        raise RecipeError([*builder.problems, place.problem("", message)]) from None
    return root, builder.problems


def _text_of(path: Path) -> str:
    file = str(path)
    try:
        content = read_named(path, MAX_FILE_BYTES)
    except FileNotFoundError:
        raise _whole(file, "there is no such file") from None
    except NotAFileError as error:
        advice = "name a recipe file in it" if path.is_dir() else "name a recipe file"
        raise _whole(file, f"{error.strerror}: {advice}") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) else "not a file name"
        raise _whole(file, f"cannot be read: {reason}") from None
    if len(content) > MAX_FILE_BYTES:
        place = _place_at(file, content.decode("utf-8", "replace"))
        raise RecipeError([place.problem("", f"larger than {MAX_FILE_BYTES // 2**20} MiB: a recipe is smaller")])
    content = content.removeprefix(b"\xef\xbb\xbf")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        place = _place_at(file, content[: error.start].decode("utf-8"))
        message = f"not UTF-8: found the byte 0x{content[error.start]:02x} at offset {error.start}; save it as UTF-8"
        raise RecipeError([place.problem("", message)]) from None
    if found := _UNPRINTABLE.search(text):
        message = f"found the control character U+{ord(found[0]):04X}: remove it, or write it as \\x.. in double quotes"
        raise RecipeError([_place_at(file, text[: found.start()]).problem("", message)])
    return text


def _whole(file: str, message: str) -> RecipeError:
    return RecipeError([Problem(file, 0, 0, "", message)])


def _place_at(file: str, before: str) -> Place:
    return Place(file, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)


def _syntax_problem(file: str, error: MarkedYAMLError, text: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    message = f"not YAML: {error.problem or 'it cannot be read'}"
    if error.context:
        message += f" ({error.context}"
        if error.context_mark and mark and error.context_mark.line != mark.line:
            message += f" that starts at line {error.context_mark.line + 1}"
        message += ")"
    message += next((hint for words, hint in _HINTS if error.problem and words in error.problem), "")
    if mark and text[max(mark.index - 1, 0) : mark.index + 1] == "${":
        message += '; inside { } and [ ] write "${name}" in quotes'
    message = " ".join(message.split()).replace("<stream end>", "the end of the file")
    return Problem(file, mark.line + 1 if mark else 0, mark.column + 1 if mark else 0, "", message)


class _Builder:
    """Builds the tree from ruamel's events, by recursive descent (no deeper than MAX_DEPTH)."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.last = Place(file, 1, 1)
        self._text = text
        self._events: Iterator[Any] = iter(YAML(typ="safe", pure=True).parse(text))
        self._anchors: dict[str, tuple[Node, int] | None] = {}  # with the nodes below, itself included; None: open
        self._count = 0

    def build(self) -> Mapping:
        """The file's only document. Raises RecipeError, and whatever ruamel raises."""
        root: Node | None = None
        for event in self._events:
            match event:
                case StreamStartEvent() | StreamEndEvent() | DocumentEndEvent():
                    pass
                case DocumentStartEvent():
                    if root is not None:
                        self._stop(event, [], "a second document starts here: a recipe is one document, without ---")
                case _:
                    root = self._node(event, [])
        if root is None or (isinstance(root, Scalar) and root.value is None):
            raise RecipeError([*self.problems, Problem(self.file, 0, 0, "", _EMPTY)])
        if not isinstance(root, Mapping):
            found = "a list" if isinstance(root, Sequence) else f"the text {shortened(root.source)!r}"
            message = f"found {found}: a recipe is a mapping of keys, such as `name: web`"
            raise RecipeError([*self.problems, root.place.problem("", message)])
        return root

    def _next(self) -> Any:
        event = next(self._events)
        self.last = self._place(event)
        return event

    def _place(self, event: Any) -> Place:
        return Place(self.file, event.start_mark.line + 1, event.start_mark.column + 1)

    def _problem(self, event: Any, steps: list[str | int], message: str) -> None:
        self.problems.append(self._place(event).problem(dotted(steps), message))

    def _stop(self, event: Any, steps: list[str | int], message: str) -> NoReturn:
        self._problem(event, steps, message)
        raise RecipeError(self.problems)

    def _node(self, event: Any, steps: list[str | int]) -> Node:
        if isinstance(event, AliasEvent):
            return self._alias(event, steps)
        if len(steps) > MAX_DEPTH:
            self._stop(
                event, steps[:3], f"nested more than {MAX_DEPTH} levels deep: recipes are not nested that deeply"
            )
        before = self._count
        self._add(1, event, steps)
        self._check_tag(event, steps)
        if event.anchor:
            self._anchors[event.anchor] = None
        node: Node
        match event:
            case ScalarEvent():
                node = self._scalar(event, steps)
            case SequenceStartEvent():
                node = self._sequence(event, steps)
            case _:
                node = self._mapping(event, steps)
        if event.anchor:
            self._anchors[event.anchor] = (node, self._count - before)
        return node

    def _add(self, nodes: int, event: Any, steps: list[str | int]) -> None:
        self._count += nodes
        if self._count > MAX_NODES:
            self._stop(
                event, steps[:3], f"more than {MAX_NODES} values, counting every use of an alias: too many for a recipe"
            )

    def _alias(self, event: Any, steps: list[str | int]) -> Node:
        anchored = self._anchors.get(event.anchor)
        if anchored is None:
            if event.anchor in self._anchors:
                self._stop(event, steps, f"the alias *{event.anchor} is inside its own anchor: it never ends")
            self._stop(event, steps, f"the alias *{event.anchor} has no anchor &{event.anchor} before it")
        node, weight = anchored
        self._add(weight, event, steps)
        return node

    def _check_tag(self, event: Any, steps: list[str | int]) -> None:
        if event.tag and event.tag not in _TAGS[type(event)]:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self._problem(event, steps, f"found the tag {shortened(tag)}: only !append is known, before a list")

    def _sequence(self, event: Any, steps: list[str | int]) -> Sequence:
        items: list[Node] = []
        while not isinstance(following := self._next(), SequenceEndEvent):
            items.append(self._node(following, [*steps, len(items)]))
        return Sequence(self._place(event), tuple(items), appends=event.tag == "!append")

    def _mapping(self, event: Any, steps: list[str | int]) -> Mapping:
        entries: dict[str, Entry] = {}
        while not isinstance(following := self._next(), MappingEndEvent):
            key = self._key(following, steps)
            node = self._node(self._next(), [*steps, key])
            if key in entries:
                first = entries[key].place
                message = f"duplicate key; the first is at line {first.line}, column {first.column}"
                self._problem(following, [*steps, key], message + ": remove one of them")
            else:
                entries[key] = Entry(self._place(following), node)
        return Mapping(self._place(event), entries)

    def _key(self, event: Any, steps: list[str | int]) -> str:
        if not isinstance(event, ScalarEvent):
            what = "an alias" if isinstance(event, AliasEvent) else "a list or a mapping"
            self._stop(event, steps, f"found {what} as a key: a key is a text")
        if event.value == "<<" and event.implicit[0]:
            self._stop(
                event, steps, "merge keys (<<) are not part of YAML 1.2: write the keys out, or put them into a "
                "separate file and list it under include",
            )  # fmt: skip
        key = self._scalar(event, steps)
        if not isinstance(key.value, str):
            self._problem(
                event, steps, f"found {shortened(key.source) or 'nothing'} as a key: a key is a text; quote it"
            )
        self._add(1, event, steps)
        return str(event.value)

    def _scalar(self, event: Any, steps: list[str | int]) -> Scalar:
        place, text = self._place(event), str(event.value)
        if found := UNUSABLE.search(text):
            self._problem(event, steps, f"found the character U+{ord(found[0]):04X}: a text must not contain it")
            text = UNUSABLE.sub("", text)
        unquoted = bool(event.implicit[0]) and event.tag is None
        if unquoted and _NOT_FINITE.fullmatch(text):
            self._problem(event, steps, f"found {text}: numbers are finite here; for the text {text} use quotes")
        return Scalar(place, core_value(text) if unquoted else text, text)


_EMPTY = "empty: a recipe is a mapping of keys, such as `name: web`"


def core_value(text: str) -> Value:
    """What a scalar without quotes means (YAML 1.2.2, section 10.3.2); infinities and NaN stay texts."""
    if text in _NULLS:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text) or _HEXADECIMAL.fullmatch(text):
        return int(text, 0)
    return float(text) if _FLOAT.fullmatch(text) else text
