"""The map at the top of a room names each of its modules, and no other.

Modules that are called after a filesystem are not named: the list of those is in filesystems/ (test_rooms.py).
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

FILESYSTEMS = ("btrfs.", "ext.", "xfs.", "xfs_")
PACKAGE = Path(__file__).parents[2] / "imagebuild"
ROOMS = ("assemble", "assemble/inside", "host", "plan", "rootfs")


@pytest.mark.parametrize("room", ROOMS)
def test_the_map_names_each_module(room: str) -> None:
    directory = PACKAGE / room
    text = ast.get_docstring(ast.parse((directory / "__init__.py").read_text(encoding="utf-8")), clean=False) or ""
    named = re.findall(r"^(\w+(?:\.py|/))  ", text, flags=re.MULTILINE)
    modules = {path.name for path in directory.glob("*.py")} - {"__init__.py"}
    packages = {f"{path.parent.name}/" for path in directory.glob("*/__init__.py")}
    assert sorted(named) == sorted(name for name in modules | packages if not name.startswith(FILESYSTEMS))
