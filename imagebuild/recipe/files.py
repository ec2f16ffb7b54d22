"""The files that a recipe names: where they are, whether they are there, and (contents.py) what some of them hold.

A relative path counts from the folder of the file in which it is written. A path in an included file is rewritten to
count from the recipe's own folder, so that the model and the plan need to know only one folder.
"""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

from imagebuild.errors import Problem
from imagebuild.recipe.contents import content_problem, written_key_problem
from imagebuild.recipe.public_keys import is_written_out
from imagebuild.recipe.tree import Mapping, Scalar, Steps, dotted, shown, transform

# Every key of the model that holds the path of a file on this machine (* is any index): add new ones here.
FILE_KEYS = (
    "rootfs.tar",
    "rootfs.tar.path",
    "rootfs.image",
    "rootfs.image.path",
    "system.root_password.file",
    "system.users.*.password.file",
    "system.users.*.ssh_keys.*",
    "system.cloud_init.user_data",
    "system.cloud_init.meta_data",
    "system.cloud_init.network_config",
    "files.*.source",
    "scripts.*",
    "scripts.*.run",
    "boot.kernels.*.kernel",
    "boot.kernels.*.initrd",
    "boot.kernels.*.deb",
    "boot.kernels.*.deb.*",
    "boot.kernels.*.rpm",
    "boot.kernels.*.rpm.*",
)

_KEYS = "system.users.*.ssh_keys.*"
"""Of these keys a public key may stand in the file's place."""

# And those that hold a folder's.
FOLDER_KEYS = ("rootfs.directory", "rootfs.oci", "rootfs.oci.path")


def resolve_files(root: Mapping, recipe: Path) -> tuple[Mapping, list[Problem]]:
    """The recipe with all paths counted from its own folder; and the files that are not there, or not right."""
    problems: list[Problem] = []

    def change(steps: Steps, scalar: Scalar) -> Scalar:
        pattern = _pattern(steps)
        if not isinstance(scalar.value, str) or pattern not in FILE_KEYS + FOLDER_KEYS:
            return scalar
        if pattern == _KEYS and is_written_out(scalar.value):
            if reason := written_key_problem(scalar.value):
                problems.append(
                    scalar.place.problem(dotted(steps), reason)
                )  # it may be a private one: what stands there is never shown
            return scalar
        folder = Path(scalar.place.file).parent
        kind = "directory" if pattern in FOLDER_KEYS else "file"
        if (reason := _missing(folder / scalar.value, kind)) or not scalar.value:
            message = (
                f"found {shown(scalar.value)}; {reason}" if scalar.value else f"found ''; expected the name of a {kind}"
            )
            problems.append(scalar.place.problem(dotted(steps), message))
            return scalar
        if reason := content_problem(pattern, folder / scalar.value):
            problems.append(scalar.place.problem(dotted(steps), f"found {shown(scalar.value)}; {reason}"))
        return replace(scalar, value=_from(recipe.parent, folder, scalar.value))

    changed = transform(root, change)
    assert isinstance(changed, Mapping)
    return changed, problems


def _pattern(steps: Steps) -> str:
    return ".".join("*" if isinstance(step, int) else step for step in steps)


def _missing(path: Path, kind: str) -> str | None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return f"there is no {kind} {path}: paths are relative to the directory of the recipe that names them"
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    if stat.S_ISDIR(mode) if kind == "directory" else stat.S_ISREG(mode):
        return None
    if kind == "file" and not stat.S_ISDIR(mode):
        return f"{path} is a device, a pipe or a socket: name a regular file"
    return f"{path} is a directory: name a file" if kind == "file" else f"{path} is not a directory: name a directory"


def _from(base: Path, folder: Path, name: str) -> str:
    """`name`, which counts from `folder`, counted from `base`."""
    if folder == base or Path(name).is_absolute():
        return name
    # Real paths: with symbolic links in between, `..` would lead elsewhere.
    return str(Path(os.path.relpath(folder.resolve(), base.resolve())) / name)
