"""A recipe's lock file: the exact packages that its tree is made of, so that any later build takes just these.

It stands beside the recipe (web.yaml: web.lock) and is JSON. `imagebuild lock` writes it, `--locked` asks for it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from imagebuild.errors import Problem, RecipeError
from imagebuild.recipe.named_file import read_whole

SUFFIX = ".lock"
_MOST_BYTES = 64 * 2**20  # all of a release's packages would be 15 MB


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LockedPackage(_Data):
    """One package; `sha256` and `size_bytes` are its .deb file's in the archive. `size_bytes` None: not known."""

    name: str
    version: str
    architecture: str
    sha256: str
    size_bytes: int | None = None

    def __str__(self) -> str:
        return f"{self.name} {self.version} ({self.architecture})"


class LockedMirror(_Data):
    """An archive that was asked, as apt's one-line entry without credentials, and its Release file's date (UTC)."""

    source: str
    date: str | None


class PackageLock(_Data):
    """`source` is the digest of the part of the recipe that it belongs to (what the tree is made of, but no mirror).

    `moment` (seconds since 1970): no file of the tree is newer. `content_sha256`: of a tree that is no bootstrap; it
    has no packages to choose.
    """

    format: Literal[1] = 1
    source: str
    suite: str | None = None
    architecture: str
    moment: int | None = None
    mirrors: tuple[LockedMirror, ...] = ()
    content_sha256: str | None = None
    packages: tuple[LockedPackage, ...] = ()

    @property
    def digest(self) -> str:
        """sha256 (hex) of what decides about the tree."""
        decisive = self.model_dump(mode="json", include={"moment", "content_sha256"})
        parts = [decisive, [[p.name, p.version, p.architecture, p.sha256] for p in self.packages]]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def text(self) -> str:
        """The file's content: a line for each package, so that a version control system shows what has changed."""
        head = self.model_dump(mode="json", exclude={"packages"})
        lines = [f" {json.dumps(key)}: {json.dumps(value, sort_keys=True)}," for key, value in head.items()]
        packages = [f"  {json.dumps(package.model_dump(mode='json'))}" for package in self.packages]
        listed = "[\n" + ",\n".join(packages) + "\n ]" if packages else "[]"
        return "{\n" + "\n".join(lines) + f'\n "packages": {listed}\n}}\n'


def lock_path(recipe: Path) -> Path:
    """Where the lock of a recipe stands."""
    return recipe.with_suffix(SUFFIX)


def read_lock(recipe: Path) -> tuple[PackageLock, Path]:
    """The recipe's lock and its file. Raises RecipeError when it is missing or no lock."""
    path = lock_path(recipe)
    try:
        return PackageLock.model_validate_json(read_whole(path, _MOST_BYTES)), path
    except FileNotFoundError:
        message = f"{recipe} has no lock file; make one: imagebuild lock {recipe}"
    except OSError as error:
        message = f"the lock cannot be read: {error.strerror}"
    except ValidationError:
        message = f"not a lock file of this version of imagebuild; make it again: imagebuild lock {recipe}"
    raise RecipeError([Problem(str(path), 0, 0, "", message)])
