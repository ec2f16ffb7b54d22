"""The rules of the house that no linter knows."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from imagebuild.host.apt_sources import APT_FOLDER, read_sources

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "imagebuild").rglob("*.py"))
NAMES = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in MODULES if not path.stem.startswith("__")}
MAX_LINES = 320
SAYS_NOTHING = {"utils", "util", "common", "helpers", "helper", "manager", "base", "misc"}
# Programs of their own, run inside a namespace; what they print is their parent's log.
CHILDREN = {"host/lifeline.py"}
PUBLIC_HOSTS = ("debian.org", "pypi.org", "pythonhosted.org", "ubuntu.com", "localhost", "127.0.0.1")
# Where sessions work: nothing of the kind belongs into a repository. Put together, so as not to find itself.
PRIVATE_PATHS = ["/" + "work/" + word for word in ("main", "shared", ".")]


def relative(path: Path) -> str:
    return path.relative_to(ROOT / "imagebuild").as_posix()


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_module(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert len(text.splitlines()) < MAX_LINES, "a module about one thing is shorter"
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


@pytest.mark.parametrize("name", sorted(CHILDREN | {"__main__.py"}))
def test_an_exception_is_needed(name: str) -> None:
    assert printing_or_exiting(ast.parse((ROOT / "imagebuild" / name).read_text(encoding="utf-8")))


def imported_by_tests() -> set[str]:
    """Modules that tests import by name, and packages whose own names they import, as `a.b.c`."""
    found = set()
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                inner = {f"{node.module}.{name.name}" for name in node.names}
                modules = {name for name in inner if name in NAMES}
                found |= modules | ({node.module} if inner - modules else set())
            elif isinstance(node, ast.Import):
                found |= {name.name for name in node.names}
    return found


def test_the_name_of_a_module_leads_to_its_tests() -> None:
    """Its tests are test_NAME.py, import it or the package that it serves, or stand in tests_of_modules.toml.

    A command is none of these: tests/unit/docs parses every command line of the documentation.
    """
    tests = {path.stem for path in (ROOT / "tests").rglob("test_*.py")}
    elsewhere = tomllib.loads(Path(__file__).with_name("tests_of_modules.toml").read_text(encoding="utf-8"))
    imported = imported_by_tests()
    alone = {
        name.rpartition(".")[2]
        for name in NAMES
        if name not in imported and name.rpartition(".")[0] not in {*imported, "imagebuild.cli.commands"}
    }
    alone -= {name.removeprefix("test_") for name in tests}
    listed = {name for names in elsewhere.values() for name in names}
    assert alone - listed == set(), "add test_NAME.py, or say in tests_of_modules.toml which tests exercise it"
    assert listed - alone == set(), "these need no line in tests_of_modules.toml"
    assert elsewhere.keys() - tests == set(), "tests_of_modules.toml names tests that are not there"


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
