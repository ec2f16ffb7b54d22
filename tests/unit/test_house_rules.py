"""The rules of the house that no linter knows."""

from __future__ import annotations

import ast
import os
import re
import subprocess
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from imagebuild.host.apt_sources import APT_FOLDER, read_sources

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "imagebuild").rglob("*.py"))
MAX_LINES = 320
# Declarations only: one language, one vocabulary, each in one place.
LONGER = {"recipe/model.py": 420, "plan/layout.py": 360, "plan/steps.py": 360}
SAYS_NOTHING = {"utils", "util", "common", "helpers", "helper", "manager", "base", "misc"}
# Programs of their own, run inside a namespace; what they print is their parent's log.
CHILDREN = {
    "assemble/inside/populate.py",
    "assemble/inside/script_room.py",
    "assemble/inside/tree_edits.py",
    "host/lifeline.py",
}
PUBLIC_HOSTS = ("debian.org", "pypi.org", "pythonhosted.org", "ubuntu.com", "localhost", "127.0.0.1")
# Where sessions work: nothing of the kind belongs into a repository. Put together, so as not to find itself.
PRIVATE_PATHS = ["/" + "work/" + word for word in ("main", "shared", ".")]


def relative(path: Path) -> str:
    return path.relative_to(ROOT / "imagebuild").as_posix()


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_module(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert len(text.splitlines()) < LONGER.get(relative(path), MAX_LINES), "a module about one thing is shorter"
    assert not SAYS_NOTHING & {part.removesuffix(".py") for part in Path(relative(path)).parts}
    assert ast.get_docstring(tree), "the docstring says what the module is for"
    if not relative(path).startswith("cli/") and relative(path) not in CHILDREN | {"__main__.py"}:
        assert not printing_or_exiting(tree), "only cli/ prints or exits"


def printing_or_exiting(tree: ast.Module) -> list[int]:
    """Lines that call print(), exit() or sys.exit()."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "exit", "quit", "sys.exit")
    ]


@cache
def tracked_texts() -> dict[str, str]:
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True).stdout.split("\0")
    paths = [ROOT / name for name in names if name]
    return {str(path.relative_to(ROOT)): path.read_text(errors="replace") for path in paths if path.is_file()}


def test_no_private_paths() -> None:
    assert [name for name, text in tracked_texts().items() if any(path in text for path in PRIVATE_PATHS)] == []


def test_no_mirror_of_this_machine() -> None:
    """Whatever registries this machine reaches are its own business."""
    hosts = {host for host in own_mirrors() if not host.endswith(PUBLIC_HOSTS)}
    assert [name for name, text in tracked_texts().items() if any(host in text for host in hosts)] == []


def own_mirrors() -> set[str]:
    urls = [source.uri for source in read_sources(APT_FOLDER)]
    urls += [value for key, value in os.environ.items() if key.endswith("INDEX_URL")]
    for path in (Path("/etc/pip.conf"), Path.home() / ".config/pip/pip.conf", Path.home() / ".pip/pip.conf"):
        if path.is_file():
            urls += re.findall(r"https?://\S+", path.read_text(errors="replace"))
    return {host for url in urls if (host := urlsplit(url).hostname)}
