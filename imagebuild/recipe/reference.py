"""The reference of recipes as Markdown, made from the model: its keys, what they take, and what they mean. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

from imagebuild.recipe.reference_examples import EXAMPLES
from imagebuild.recipe.schema import json_schema, model_schema

_TIME_UNITS = ("h", "min", "s")
_HEAD = """\
# Recipe reference

Made from the model (`imagebuild schema` prints it as JSON Schema, for editors). Unknown keys and wrong
values are errors: `imagebuild validate RECIPE` reports all of them at once, with line and column.

Sizes are a number of bytes, or a number with a unit: `256MiB`, `2GiB`, `500MB`. Paths are relative to the recipe's
directory. `${name}` is a variable's value, of `variables` or of `--set name=value`.
"""


def recipe_markdown() -> str:
    """docs/reference/recipe.md: the recipe's own keys first, then each part that they lead to."""
    schema = model_schema()
    parts = schema.get("$defs", {})
    sections = [("Recipe", {**schema, "properties": {**schema["properties"], **_more()}})]
    seen = {"Recipe"}
    for _name, part in sections:  # grows while it is walked: parts in the order in which they are met
        for found in _references(part, parts):
            if found not in seen:
                seen.add(found)
                sections.append((found, parts[found]))
    return "\n".join([_HEAD, *(_section(name, part, parts) for name, part in sections)])


def _more() -> dict[str, Any]:
    """What the file may hold and the model never sees."""
    whole = json_schema()["properties"]
    return {key: whole[key] for key in ("include", "variables")}


def _references(part: Any, parts: dict[str, Any]) -> list[str]:
    if isinstance(part, list):
        return [name for item in part for name in _references(item, parts)]
    if not isinstance(part, dict):
        return []
    found = []
    if name := _target(part, parts):
        found.append(name)
    return found + [name for key, item in part.items() if key != "$defs" for name in _references(item, parts)]


def _target(part: dict[str, Any], parts: dict[str, Any]) -> str | None:
    name = str(part.get("$ref", "")).rpartition("/")[2]
    return name if name in parts and "properties" in parts[name] else None


def _section(name: str, part: dict[str, Any], parts: dict[str, Any]) -> str:
    lines = [f"## {name}", ""]
    if about := part.get("description"):
        lines += [_text(about), ""]
    lines += ["| key | takes | default | |", "|---|---|---|---|"]
    required = set(part.get("required", ()))
    for key, value in part.get("properties", {}).items():
        default = "**required**" if key in required else _default(value)
        about = value.get("description", "")
        if examples := value.get("examples"):
            about = f"{about} Such as {_code(examples[0])}.".strip()
        lines.append(f"| `{key}` | {_takes(value, parts)} | {default} | {_text(about)} |")
    if example := EXAMPLES.get(name):
        lines += ["", "```yaml", example.rstrip(), "```"]
    return "\n".join([*lines, ""])


def _takes(value: dict[str, Any], parts: dict[str, Any]) -> str:
    """What a value may be, in words."""
    if name := _target(value, parts):
        return f"[{name}](#{name.lower()})"
    if "$ref" in value:
        return _takes(parts[value["$ref"].rpartition("/")[2]], parts)
    for key in ("anyOf", "oneOf", "allOf"):
        if _is_size(value):
            return _size_words(value[key])
        if key in value:
            words = dict.fromkeys(_takes(item, parts) for item in value[key] if item.get("type") != "null")
            return " or ".join(words)
    if "enum" in value:
        return ", ".join(_code(item) for item in value["enum"])
    if "const" in value:
        return _code(value["const"])
    if value.get("type") == "array":
        return f"list of {_takes(value.get('items', {}), parts)}"
    if value.get("type") == "object":
        inner = value.get("additionalProperties")
        return f"mapping to {_takes(inner, parts)}" if isinstance(inner, dict) else "mapping"
    return _scalar(value)


def _scalar(value: dict[str, Any]) -> str:
    match value.get("type"):
        case "string":
            return f"text such as {_code(value['examples'][0])}" if value.get("examples") else "text"
        case "integer" | "number":
            low, high = value.get("minimum"), value.get("maximum")
            return f"number, {low} to {high}" if high is not None and low is not None else "number"
        case "boolean":
            return "true, false"
        case list() as kinds:
            return " or ".join(str(kind) for kind in kinds)
        case _:
            return "any"


def _default(value: dict[str, Any]) -> str:
    """As a user writes it: `5min`, `20%`, `512MiB`; the model holds seconds, a number and bytes."""
    default = value.get("default")
    if default in (None, [], {}, "") or isinstance(default, dict):
        return ""
    if isinstance(default, str) and (time := re.fullmatch(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?", default)):
        return _code(
            "".join(f"{number}{unit}" for number, unit in zip(time.groups(), _TIME_UNITS, strict=True) if number)
        )
    if isinstance(default, float) and "%" in value.get("pattern", ""):
        return _code(f"{default:g}%")
    if _is_size(value) and isinstance(default, int):
        return _code(f"{default // 2**20}MiB" if default % 2**20 == 0 else f"{default // 2**10}KiB")
    return _code(default)


def _is_size(value: dict[str, Any]) -> bool:
    """A text with a unit, or a number of bytes."""
    return any("MiB" in str(example) for example in value.get("examples", ()))


def _size_words(alternatives: list[dict[str, Any]]) -> str:
    """A size; a partition may also take a share of the rest, or all of it."""
    more = [_takes(item, {}) for item in alternatives if "const" in item or "%" in item.get("pattern", "")]
    return " or ".join(["size such as `256MiB`", *dict.fromkeys(more)])


def _code(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"`{text}`".replace("|", "\\|")


def _text(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
