"""What the model allows at some place, read from its JSON Schema and said in a few words."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from imagebuild.recipe.schema import model_schema

Schema = dict[str, Any]
KEY_ITSELF = "[key]"  # pydantic's last step for a mistake in a mapping's key


@cache
def _schema() -> Schema:
    return model_schema()


class Allowed:
    """The alternatives at one place: usually one; a short form and the mapping it stands for are two."""

    def __init__(self, alternatives: list[Schema]) -> None:
        self._alternatives = alternatives

    @classmethod
    def at(cls, loc: tuple[int | str, ...]) -> Allowed:
        """What is allowed where pydantic's steps lead; steps that are no keys (a union's tags) are left out."""
        here = list(_flat(_schema()))
        if loc and loc[-1] == KEY_ITSELF:
            loc = (*loc[:-2], KEY_ITSELF)
        for step in loc:
            if below := [new for schema in here for new in _below(schema, step)]:
                here = below
        return cls(here)

    def keys(self) -> list[str]:
        """The keys of the mapping; for the recipe itself those that only the loader knows, too."""
        if any(schema is _schema() for schema in self._alternatives):
            return [*_schema()["properties"], "include", "variables"]
        return [key for schema in self._alternatives for key in schema.get("properties", {})]

    def words(self) -> list[str]:
        """The texts to choose from."""
        return [word for schema in self._alternatives for word in _choices(schema)]

    def pattern_words(self) -> str:
        """What the text may hold, as the model says it."""
        return next(
            (schema["patternErrorMessage"] for schema in self._alternatives if "patternErrorMessage" in schema), ""
        )

    def needed(self) -> str:
        """`a text`, `hd0 or hd00`, `a mapping with path, sha256`, `a list`…"""
        examples = [str(word) for schema in self._alternatives for word in schema.get("examples", ())]
        if examples:
            return "such as " + _or([*dict.fromkeys(examples), *self.words()])
        return " or ".join(dict.fromkeys(filter(None, map(_kind, self._alternatives))))


def homes_of(key: str) -> list[str]:
    """Where in a recipe the key is allowed, the outermost places only: `system`, `rootfs.debian`; "" is the top."""
    level: list[tuple[str, Schema]] = [("", _schema())]
    seen: list[Schema] = []
    while level:
        if homes := [name for name, schema in level if key in schema.get("properties", {})]:
            return homes
        seen += [schema for _, schema in level]
        level = [
            (f"{name}.{word}".lstrip("."), inner)
            for name, schema in level
            for word, value in schema.get("properties", {}).items()
            for inner in _flat(value)
            if inner not in seen
        ]
    return []


def _flat(schema: Schema) -> Iterator[Schema]:
    """The schema's alternatives, references followed; an outer example belongs to each."""
    if "$ref" in schema:
        yield from _flat(_schema()["$defs"][schema["$ref"].removeprefix("#/$defs/")])
    elif inner := schema.get("anyOf", schema.get("oneOf")):
        outer = {"examples": schema["examples"]} if "examples" in schema else {}
        for alternative in inner:
            yield from _flat({**alternative, **outer})
    elif schema.get("type") != "null":
        yield schema


def _below(schema: Schema, step: int | str) -> list[Schema]:
    if step == KEY_ITSELF and "propertyNames" in schema:
        return [schema["propertyNames"]]
    if step in schema.get("properties", {}):
        return list(_flat(schema["properties"][step]))
    if isinstance(step, int) and "items" in schema:
        return list(_flat(schema["items"]))
    if isinstance(step, str) and "properties" not in schema:
        return [new for values in schema.get("patternProperties", {}).values() for new in _flat(values)]
    return []


def _choices(schema: Schema) -> list[str]:
    return [str(schema["const"])] if "const" in schema else [str(word) for word in schema.get("enum", ())]


def _kind(schema: Schema) -> str:
    if choices := _choices(schema):
        return _or(choices)
    match schema.get("type"):
        case "object" if keys := schema.get("properties"):
            return f"a mapping with {', '.join(keys)}"
        case "object":
            return "a mapping"
        case "array":
            return "a list"
        case "integer":
            return "a whole number"
        case "boolean":
            return "true or false"
        case "string":
            return "a text"
        case _:
            return ""


def _or(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
