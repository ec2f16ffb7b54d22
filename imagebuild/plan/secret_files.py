"""Files of the recipe that others are not to read: their text goes to the executor beside the plan, never in it."""

from __future__ import annotations

import hashlib

from imagebuild.plan.steps import WriteSecret
from imagebuild.recipe.model import File, Recipe

_OTHERS_MAY_READ = 0o044


def is_secret(file: File) -> bool:
    """Whether the recipe itself holds the text, and gives the file a mode that keeps group and others out."""
    return file.content is not None and int(file.mode, 8) & _OTHERS_MAY_READ == 0


def write_secret(file: File, mode: int) -> WriteSecret:
    """The edit that writes it."""
    content = (file.content or "").encode()
    digest = hashlib.sha256(content).hexdigest()
    return WriteSecret(path=file.path, secret=_name(file), sha256=digest, size_bytes=len(content), mode=mode)


def secret_texts(recipe: Recipe) -> dict[str, str]:
    """What the executor is handed, by the names that the plan uses."""
    return {_name(file): file.content or "" for file in recipe.files if is_secret(file)}


def _name(file: File) -> str:
    return f"files.{file.path}"
