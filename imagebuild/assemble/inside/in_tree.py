"""Our own code at work in a tree, after chroot(2): a symbolic link of a hostile tree leads nowhere but into that tree.

Nothing of the tree runs here, and nothing is loaded from it: Python's path is emptied before. Programs of the tree run
behind the fence (host/fence/).
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from imagebuild.errors import BuildError, ImagebuildError


def in_tree(tree: Path, kind: str, action: Callable[[], None], path: str = "") -> None:
    """Fork, chroot, act: the parent keeps its view of the machine. Raises BuildError with what went wrong.

    `kind` and `path` say in messages what is done, and to what.
    """
    sys.stdout.flush()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os._exit(_attempt(tree, kind, action, path or kind, writing))
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        said = answer.read()
    _pid, status = os.waitpid(child, 0)
    if status != 0:
        failure = json.loads(said) if said else {"brief": f"{kind} failed", "details": "", "resolution": ""}
        raise BuildError(failure["brief"], details=failure["details"], resolution=failure["resolution"])


def _attempt(tree: Path, kind: str, action: Callable[[], None], path: str, answer: int) -> int:
    failure = {"brief": f"{kind} failed", "details": "", "resolution": ""}
    try:
        os.chroot(tree)
        os.chdir("/")
        # A module that is imported only now would be the tree's.
        sys.path.clear()
        sys.path_importer_cache.clear()
        action()
    except ImagebuildError as error:
        failure = {"brief": error.brief, "details": error.details, "resolution": error.resolution}
    except OSError as error:
        failure["brief"] = f"changing {path} in the tree failed: {error.strerror}"
        failure["details"] = f"{kind}: {error.filename or ''}"
    except BaseException:
        failure["details"] = traceback.format_exc()
    else:
        return 0
    os.write(answer, json.dumps(failure).encode())
    return 1
