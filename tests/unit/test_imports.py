"""The architecture, checked: `.importlinter` says who may import whom."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_import_contracts() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"}
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_light_verbs_import_nothing_heavy() -> None:
    """`--help` answers at once: no YAML, sh, parted or guestfs behind it."""
    code = (
        "import sys; from imagebuild.cli import main; code = main(['build', '--help'])\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'ruamel', 'sh', 'parted', 'guestfs'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_help_imports_nothing_of_the_work() -> None:
    """The verbs are listed and parsed with the options, the closed words and the exit codes alone."""
    code = (
        "import sys; from imagebuild.cli import main; code = main(['--help'])\n"
        "rooms = {name.split('.')[1] for name in sys.modules if name.startswith('imagebuild.')}\n"
        "print(sorted(rooms - {'cli', 'errors', 'vocabulary'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_no_circles() -> None:
    """Every module, and every import, also one inside a function or for types alone."""
    import grimp

    graph = grimp.build_graph("imagebuild", cache_dir=None)
    arrows = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    while leaves := {name for name, imported in arrows.items() if not imported & arrows.keys()}:
        arrows = {name: imported for name, imported in arrows.items() if name not in leaves}
    assert sorted(arrows) == [], "these import one another, or stand on the way between such"
