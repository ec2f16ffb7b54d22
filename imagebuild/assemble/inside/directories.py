"""Directories of the tree, made where they are needed, seen from inside it (after chroot)."""

from __future__ import annotations

from pathlib import Path

from imagebuild.errors import BuildError
from imagebuild.formats.text import excerpt


def make_directory(path: Path) -> None:
    """The directory with its parents, where it is not there. Raises BuildError where something else is in the way.

    A link that leads to a directory will do; mkdir(2) says "File exists" of one that leads nowhere.
    """
    for part in (*reversed(path.parents), path):
        if part.is_symlink() and not part.exists():
            raise BuildError(
                f"{part} of the tree is a link to {excerpt(str(part.readlink()))}, which is not there",
                resolution=f"make {part} a directory, or make what it leads to",
            )
        if part.exists() and not part.is_dir():
            raise BuildError(f"{part} of the tree is a file, and {path} is to lie in it", resolution=f"remove {part}")
    path.mkdir(parents=True, exist_ok=True)
