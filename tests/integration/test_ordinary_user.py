"""The user that root makes for the tests: with sub-uids, and not in the way of the next run when a run was killed."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

import pytest

from tests.ordinary_user import home, new_user, remove_left_behind

pytestmark = [pytest.mark.integration, pytest.mark.needs("root", "useradd", "newuidmap")]


def test_a_user_with_sub_uids_for_one_run() -> None:
    with new_user(process=os.getppid()) as name:
        assert home(name).owner() == name
        for kind in ("uid", "gid"):
            assert f"{name}:" in Path(f"/etc/sub{kind}").read_text()
    with pytest.raises(KeyError):
        pwd.getpwnam(name)
    assert not Path(f"/home/{name}").exists()


def test_what_a_killed_run_left_is_removed_by_the_next(ordinary_user: str) -> None:
    name = f"imagebuild-test-{_ended_process()}"
    subprocess.run(["useradd", "--create-home", "--home-dir", f"/home/{name}", name], check=True)
    remove_left_behind()
    with pytest.raises(KeyError):
        pwd.getpwnam(name)
    assert not Path(f"/home/{name}").exists()
    assert pwd.getpwnam(ordinary_user), "that of a run that is alive stays"


def _ended_process() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid
