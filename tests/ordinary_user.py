"""An ordinary user with sub-uids, made by root for one run of the tests and removed at its end.

The name holds the run's process: a user of a process that is gone was left by a killed run, and the next removes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
_NAME = "imagebuild-test-"
_LOCK = Path(tempfile.gettempdir()) / "imagebuild-test-users.lock"
# Beyond what useradd(8) gives away itself (login.defs, SUB_UID_MAX), for machines where it gives none.
_RANGE = "700000000-700065535"


@contextlib.contextmanager
def new_user(process: int | None = None) -> Iterator[str]:
    """The user's name; takes root."""
    remove_left_behind()
    name = f"{_NAME}{process or os.getpid()}"
    _run("useradd", "--create-home", "--home-dir", f"/home/{name}", "--shell", "/bin/sh", name)
    try:
        for kind in ("uid", "gid"):
            ranges = Path(f"/etc/sub{kind}")
            if not ranges.is_file() or f"{name}:" not in ranges.read_text():
                _run("usermod", f"--add-sub{kind}s", _RANGE, name)
        yield name
    finally:
        _remove(name)


def remove_left_behind() -> None:
    """Remove the users of runs that are gone."""
    for process in re.findall(rf"^{_NAME}(\d+):", Path("/etc/passwd").read_text(), re.MULTILINE):
        if not Path(f"/proc/{process}").exists():
            _remove(f"{_NAME}{process}")


def home(name: str) -> Path:
    return Path(pwd.getpwnam(name).pw_dir)


def give_imagebuild(name: str) -> None:
    """A copy of imagebuild and its packages for the user, to whom the checkout may be closed (one in /root, say).

    It lies in Python's own place for a user's packages, so the processes that imagebuild starts find it, too (site,
    USER_SITE): /usr/bin/python3 runs it, from which .venv/ is made.
    """
    packages = home(name) / f".local/lib/python3.{sys.version_info.minor}/site-packages"
    if packages.exists():
        return
    for folder in (path for path in sys.path if path.endswith("site-packages") and ".venv" in path):
        shutil.copytree(folder, packages, symlinks=True)
    shutil.copytree(ROOT / "imagebuild", packages / "imagebuild")


def _remove(name: str) -> None:
    _run("userdel", "--force", "--remove", name)


def _run(*words: str) -> None:
    """One after another: these programs give up where /etc/passwd is locked by another."""
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(words, capture_output=True, text=True)
    # userdel(8): 6 is a user that another run has removed meanwhile, 12 a home that could not be removed
    allowed = (0, 6, 12) if words[0] == "userdel" else (0,)
    assert done.returncode in allowed, f"{' '.join(words)}: {done.stderr}"
