"""Which revision of a recipe was built, where git keeps it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from imagebuild.errors import ImagebuildError
from imagebuild.host import command

_LIMIT_SECONDS = 10


def revision(recipe: Path) -> str:
    """`git 1a2b3c4`, or `git 1a2b3c4, changed since`; empty where it is in no repository, or there is no git.

    Only `rev-parse` is asked: `status` runs what a repository's own configuration names (core.fsmonitor, filters;
    git-config(1)), and the recipe may be a stranger's.
    """
    path = recipe.absolute()
    try:
        command.require("git", "git")
        commit = _rev_parse(path, "--short", "HEAD")
        committed = _rev_parse(path, f"HEAD:./{path.name}")
        content = path.read_bytes()
    except (ImagebuildError, OSError):
        return ""
    return f"git {commit}" if _blob(content, committed) == committed else f"git {commit}, changed since"


def _rev_parse(path: Path, *words: str) -> str:
    argv = ["git", "-C", str(path.parent), "rev-parse", "--quiet", "--verify", *words]
    return command.run(argv, doing="asking git for the recipe's revision", timeout_seconds=_LIMIT_SECONDS).strip()


def _blob(content: bytes, like: str) -> str:
    """The object name that git gives such a file (gitformat-pack(5)): SHA-1, or SHA-256 in newer repositories."""
    new = hashlib.sha256 if len(like) == 64 else hashlib.sha1
    return new(b"blob %d\0" % len(content) + content).hexdigest()
