"""`build` of several recipes side by side: each a process; one table, in the order given; Ctrl-C ends them all."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from imagebuild.operations.side_by_side import at_once
from tests.unit.cli.conftest import Runner

NAMES = ("one", "two", "three")


def test_several_at_once(imagebuild: Runner) -> None:
    recipes = [imagebuild.recipe(name) for name in NAMES]
    done = imagebuild("build", "--keep-going", "--jobs", "3", "--with", "static", *recipes, FAKE_BUILD="fails:two")
    assert done.returncode == 5, done.stdout + done.stderr
    *lines, last = done.stdout.splitlines()
    assert last == "2 of 3 done"
    assert [line.split()[:2] for line in lines[-3:]] == [["one", "passed"], ["two", "not"], ["three", "passed"]]
    begun = {line.split()[1] for line in lines if line.endswith(" started")}
    assert begun == {"one:", "two:", "three:"}
    assert any(line.split(" ", 1)[1:] == ["two: error: mke2fs failed"] for line in lines), "each line has its recipe"
    assert {path.name for path in (imagebuild.folder / "out").iterdir() if (path / f"{path.name}.raw").exists()} == {
        "one",
        "three",
    }
    again = imagebuild("build", "--jobs", "2", "--with", "static", recipes[0], recipes[2])
    assert again.returncode == 0, again.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_of_them(imagebuild: Runner, number: signal.Signals) -> None:
    recipes = [imagebuild.recipe(name) for name in NAMES]
    process = imagebuild.start("build", "--jobs", "2", *recipes, FAKE_BUILD="slow")
    assert process.stdout is not None
    ready = 0
    while ready < 2:
        ready += process.stdout.readline().rstrip().endswith("READY")
    process.send_signal(number)
    out, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == "interrupted: nothing was left behind; run the same command again\n"
    rows = [line.split()[:2] for line in out.splitlines()[-4:-1]]
    assert rows == [["one", "interrupted"], ["two", "interrupted"], ["three", "not"]]
    assert imagebuild.names("out/one") == {"build.log"}
    assert running_in(imagebuild.folder) == []


def running_in(folder: Path) -> list[str]:
    """Processes that still work in the folder, after a moment for the kernel to clear them away."""
    deadline = time.monotonic() + 10
    while found := [str(path) for path in Path("/proc").glob("[0-9]*") if _works_in(path, folder)]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    return found


def _works_in(process: Path, folder: Path) -> bool:
    try:
        return (process / "cwd").readlink() == folder
    except OSError:
        return False


def test_how_many_at_once() -> None:
    assert at_once(1, 0) == 1
    assert at_once(3, 8) == 3
    assert at_once(8, 2) == 2
    assert at_once(100, 0) >= 1
