"""The recipe's JSON Schema (draft 2020-12), made from the model: editors complete and check recipes with it."""

from __future__ import annotations

import re
from typing import Any

from imagebuild.recipe.model import Recipe

_VARIABLE = r"\$\{"
_INCLUDE = {
    "type": "array",
    "items": {"type": "string"},
    "description": "Recipes to merge first: mappings are merged deeply, lists are replaced (or extended with !append).",
    "examples": [["base.yaml"]],
}
_VARIABLES = {
    "type": "object",
    "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
    "additionalProperties": {"type": ["string", "number", "boolean"]},
    "description": "Values for ${name} in this recipe; --set name=value wins.",
    "examples": [{"release": "bookworm"}],
}


def model_schema() -> dict[str, Any]:
    """What the model alone says: for messages and for the reference page."""
    return Recipe.model_json_schema()


def json_schema() -> dict[str, Any]:
    """What a recipe's file may hold: the model's keys, `include` and `variables`, and ${name} in every scalar."""
    schema = _with_variables(model_schema())
    properties = {**schema.pop("properties"), "include": _INCLUDE, "variables": _VARIABLES}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "properties": properties}


def _with_variables(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_with_variables(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    new = {key: _with_variables(value) for key, value in schema.items()}
    match schema.get("type"):
        case "string" if "pattern" in schema:
            if not re.search(schema["pattern"], str(schema.get("default", ""))):
                new.pop("default", None)  # a number of seconds or a share, as the model holds it
            new["pattern"] = f"{schema['pattern']}|{_VARIABLE}"
        case "string" if "enum" in schema or "const" in schema:
            outer = {key: new.pop(key) for key in ("title", "description", "default") if key in new}
            return {**outer, "anyOf": [new, {"type": "string", "pattern": _VARIABLE}]}
        case "integer" | "boolean" as kind:
            new |= {"type": [kind, "string"], "pattern": _VARIABLE}
        case _:
            pass
    return new
