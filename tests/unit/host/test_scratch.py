"""Temporary folders: gone at the end, kept while their maker lives, swept when it is dead."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from imagebuild.host import scratch
from imagebuild.host.scratch import scratch_folder, sweep

DIES = """
import os, signal, sys
from pathlib import Path
from imagebuild.host.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1])) as folder:
    (folder / "inside").mkdir()
    (folder / "inside").chmod(0o500)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "_swept", set())


def test_it_is_the_users_alone_and_gone_at_the_end(tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "a").mkdir()
        (folder / "a/b").touch()
        (folder / "a").chmod(0o500)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KeyboardInterrupt), scratch_folder(tmp_path):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    for name in ("imagebuild-mine", "imagebuild-scratch-mine", "imagebuild-scratch-12345678.txt"):
        (tmp_path / name).mkdir()
    (tmp_path / "imagebuild-scratch-file1234").touch()
    (tmp_path / "imagebuild-scratch-link1234").symlink_to(tmp_path / "imagebuild-mine")
    others = set(tmp_path.iterdir())
    assert subprocess.run([sys.executable, "-c", DIES, str(tmp_path)], timeout=60).returncode == -9
    [left] = set(tmp_path.iterdir()) - others
    assert (left / "inside").is_dir()
    with scratch_folder(tmp_path) as folder:
        assert set(tmp_path.iterdir()) == {*others, folder}
    assert set(tmp_path.iterdir()) == others


def test_what_is_in_use_stays(tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as folder:
        code = (
            "import sys; from pathlib import Path; from imagebuild.host.scratch import sweep; sweep(Path(sys.argv[1]))"
        )
        subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=60)
        assert folder.is_dir()


@pytest.mark.needs("root")
def test_another_users_stays(tmp_path: Path) -> None:
    (tmp_path / "imagebuild-scratch-other_12").mkdir()
    os.chown(tmp_path / "imagebuild-scratch-other_12", 12345, 12345)
    sweep(tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
