"""What dead runs have left in the cache goes with the next run that writes there; what is in use stays."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from imagebuild.errors import HostError
from imagebuild.host.cache import Cache
from imagebuild.host.namespace import workspace

KILLED = """
import os, sys
from pathlib import Path
from imagebuild.host.cache import Cache
from imagebuild.host.namespace import workspace
cache = Cache(Path(sys.argv[1]))
def make(directory):
    with workspace(cache.root / "work") as space:
        (space.directory / "job.json").write_text("$6$hash")
        (directory / "tree.tar").write_bytes(b"x" * 5000)
        (directory.parent / (directory.name + ".tar.zst")).write_bytes(b"x")
        os.kill(os.getpid(), 9)
cache.get("trees", "a", make)
"""


def fill(directory: Path) -> None:
    (directory / "file").write_bytes(b"x")


def left_in(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for place in ("work", "partial") for path in (root / place).glob("*"))


def test_the_next_run_removes_it(tmp_path: Path) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False).returncode == -9
    assert len(left_in(tmp_path)) == 4
    stamps = tmp_path / "stamps"
    stamps.mkdir()
    for name, age in (("old.1.partial", 7200), ("new.2.partial", 0), ("known", 7200)):
        (stamps / name).write_text("", encoding="ascii")
        os.utime(stamps / name, (time.time() - age,) * 2)
    Cache(tmp_path).get("kernels", "other", fill)  # any entry
    assert left_in(tmp_path) == []
    assert sorted(path.name for path in stamps.iterdir()) == ["known", "new.2.partial"]
    assert Cache(tmp_path).get("trees", "a", fill)[1] is False


def test_what_is_in_use_stays(tmp_path: Path) -> None:
    (tmp_path / "partial" / "trees-b").mkdir(parents=True)
    (tmp_path / "locks").mkdir()
    with workspace(tmp_path / "work"), (tmp_path / "locks" / "trees-b").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = left_in(tmp_path)
        Cache(tmp_path).get("trees", "a", fill)
        assert left_in(tmp_path) == before
        assert len(before) == 3


@pytest.mark.needs("root")
@pytest.mark.parametrize("size", ["4k", "64k"])
def test_a_full_cache_disk_says_so(size: str, tmp_path: Path) -> None:
    """Exit code 5 with the words, whatever it was that found no room."""
    script = (
        "import sys\nfrom pathlib import Path\nfrom imagebuild.host.cache import Cache\n"
        "from imagebuild.cli.ending import report\n"
        "def make(directory): (directory / 'tree.tar').write_bytes(b'x' * 2**20)\n"
        "try: Cache(Path(sys.argv[1])).get('trees', 'a', make)\n"
        "except BaseException as error: sys.exit(report(error))\n"
    )
    mount = f'mount -t tmpfs -o size={size},nr_inodes={"2" if size == "4k" else "99"} small "$1" && shift && exec "$@"'
    argv = ["unshare", "--mount", "sh", "-c", mount, "sh", str(tmp_path)]
    done = subprocess.run(
        [*argv, sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 5, done.stderr
    assert "no space left on the filesystem" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_cache_that_may_not_be_written_is_no_full_disk(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file", encoding="ascii")
    with pytest.raises(HostError, match="cannot be written"):
        Cache(tmp_path / "cache").get("trees", "a", fill)
