"""A file that the user named: an image, a key, a PV-GRUB."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from imagebuild.errors import HostError, UsageError
from imagebuild.recipe.named_file import NotAFileError, open_named


def check_file(path: Path, what: str) -> None:
    """Raises UsageError (the command line is wrong) or HostError (not permitted) unless it is a readable file."""
    try:
        status = path.stat()
    except OSError as error:
        raise UsageError(str(path), f"this {what} cannot be found: {error.strerror}") from None
    if stat.S_ISDIR(status.st_mode):
        raise UsageError(str(path), f"found a directory; expected a file, the {what} itself")
    if what == "image" and path.suffix in (".yaml", ".yml"):
        raise UsageError(str(path), f"found a recipe; expected the image that it makes: imagebuild build {path}")
    if not stat.S_ISREG(status.st_mode):
        raise UsageError(str(path), f"found a device, pipe or socket; expected a file, a copy of the {what}")
    try:
        open_named(path).close()
    except NotAFileError as error:
        raise UsageError(str(path), f"this {error.strerror}; expected a file, a copy of the {what}") from None
    except OSError:
        pass  # said below
    if status.st_size == 0:
        raise UsageError(str(path), f"found an empty file; expected the {what}")
    if not os.access(path, os.R_OK):
        raise HostError(
            f"{path} cannot be read: permission denied", resolution="change its permissions, or run as its owner"
        )
