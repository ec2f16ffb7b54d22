"""What every part of the recipe's model is made of: frozen mappings, texts with a pattern, names and paths."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)


def absolute(value: str) -> str:
    path = PurePosixPath(value)
    if not path.is_absolute() or ".." in path.parts or "\n" in value or "\0" in value:
        raise ValueError("a path inside the image starts with / and holds neither .. nor a line break")
    return str(path)


def text(pattern: str, words: str, **limits: Any) -> Any:
    """A text with a pattern. `words` says what it allows, to people: in our messages and in their editors."""
    return Field(pattern=pattern, json_schema_extra={"patternErrorMessage": words}, **limits)


ImagePath = Annotated[str, AfterValidator(absolute), Field(examples=["/etc/motd"])]
Name = Annotated[
    str,
    text(
        r"^[A-Za-z0-9][A-Za-z0-9._-]*$", "a name starts with a letter or digit and holds letters, digits and . _ -",
        max_length=64,
    ),
]  # fmt: skip
PackageName = Annotated[
    str,
    text(
        r"^[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?(=[A-Za-z0-9.+:~-]+|/[a-z0-9-]+)?$",
        "a package is NAME, NAME=VERSION or NAME/SUITE, its name in lower case",
    ),
]
Sha256 = Annotated[str, text(r"^[0-9a-f]{64}$", "a SHA-256 is 64 digits, 0-9 and a-f, as sha256sum prints")]
