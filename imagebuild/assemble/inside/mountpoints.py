"""The directories of a tree that the fence mounts something over: they must be the tree's own."""

from __future__ import annotations

from pathlib import Path

from imagebuild.errors import BuildError

_MOUNTPOINTS = ("proc", "dev", "run", "tmp")


def make_mountpoints(tree: Path) -> None:
    """Make those that are missing. Raises BuildError where something else has such a name."""
    for name in _MOUNTPOINTS:
        directory = tree / name
        if directory.is_symlink() or (directory.exists() and not directory.is_dir()):
            raise BuildError(
                f"/{name} of the tree is not a directory",
                resolution="a root tree has /proc, /dev, /run and /tmp as directories",
            )
        directory.mkdir(exist_ok=True)
