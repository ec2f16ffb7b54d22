"""Workspaces: a new one is never taken for a dead run's, a dead run's is removed."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from imagebuild.host import namespace

PROCESSES, ROUNDS = 4, 150
MAKER = """
import sys
from pathlib import Path
from imagebuild.host.namespace import workspace
for number in range(int(sys.argv[2])):
    with workspace(Path(sys.argv[1])) as space:
        (space.directory / "file").write_text("mine")
        assert space.lock.exists()
        assert (space.directory / "file").read_text() == "mine"
"""


def test_a_sweep_before_the_lock_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen in 24 of 5,498 rounds: the lock file was there, and not yet held."""
    real, sweeps = fcntl.flock, iter(range(2))

    def slowly(handle: int, operation: int) -> None:
        if operation == fcntl.LOCK_EX and next(sweeps, None) is not None:
            namespace.sweep(tmp_path)
        real(handle, operation)

    with namespace.workspace(tmp_path) as other:
        monkeypatch.setattr(fcntl, "flock", slowly)
        with namespace.workspace(tmp_path) as space:
            assert space.directory.is_dir()
            assert space.lock.exists()
            assert other.directory.is_dir()
            namespace.sweep(tmp_path)
            assert space.directory.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_many_at_once(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", MAKER, str(tmp_path), str(ROUNDS)]
    makers = [subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) for _ in range(PROCESSES)]
    ends = [(maker.communicate()[1], maker.returncode) for maker in makers]
    assert ends == [("", 0)] * PROCESSES
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_has_left(tmp_path: Path) -> None:
    script = "import os, sys\nfrom pathlib import Path\nfrom imagebuild.host.namespace import workspace\n"
    script += "with workspace(Path(sys.argv[1])):\n    os.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False).returncode == -9
    assert len(list(tmp_path.iterdir())) == 2
    namespace.sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []
