"""The cache: made once, never half there, shared, pruned, checked."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import get_args

import pytest

from imagebuild.host import known_digest
from imagebuild.host.cache import Cache, damage
from imagebuild.host.cache_kinds import KINDS, FileKind, Kind
from imagebuild.operations.cache import prune_cache


def fill(folder: Path) -> None:
    (folder / "file").write_bytes(b"x" * 5000)


def unwanted(folder: Path) -> None:
    pytest.fail(f"{folder} is made again")


def test_an_entry_is_made_once(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    path, cached = cache.get("trees", "a", fill)
    assert not cached
    assert cache.get("trees", "a", unwanted) == (path, True)


def test_a_failed_make_leaves_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    def broken(folder: Path) -> None:
        fill(folder)
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError):
        cache.get("trees", "a", broken)
    assert cache.find("trees", "a") is None
    assert list((tmp_path / "partial").iterdir()) == []


def test_threads_share_the_work(tmp_path: Path) -> None:
    cache, made = Cache(tmp_path), []

    def slow(folder: Path) -> None:
        made.append(1)
        threading.Event().wait(0.2)
        fill(folder)

    threads = [threading.Thread(target=cache.get, args=("trees", "a", slow)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert made == [1]


_MAKER = """
import sys, time
from pathlib import Path
from imagebuild.host.cache import Cache
def make(folder):
    print("making", flush=True)
    time.sleep(0.5)
    (folder / "file").write_text("made once")
Cache(Path(sys.argv[1])).get("trees", "1", make)
sys.stdin.read()
"""


def test_who_waits_for_the_maker_does_not_wait_for_its_end(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", _MAKER, str(tmp_path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as maker:
        assert maker.stdout is not None
        assert maker.stdout.readline() == b"making\n"
        path, cached = Cache(tmp_path).get("trees", "1", lambda folder: pytest.fail("made twice"))
        assert cached
        assert (path / "file").read_text() == "made once"
        assert maker.poll() is None  # it still keeps what it has made
        maker.communicate(b"")


def test_an_entry_of_the_wrong_size_is_made_again(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    path, _ = cache.get("trees", "a", fill)
    os.truncate(path / "file", 10)
    assert cache.find("trees", "a") is None
    assert cache.get("trees", "a", fill) == (path, False)
    assert (path / "file").stat().st_size == 5000


def test_damage_is_found_by_digest(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    path, _ = cache.get("trees", "a", fill)
    [entry] = cache.entries()
    assert damage(entry) == []
    (path / "file").write_bytes(b"y" * 5000)
    (path / "more").touch()
    assert damage(entry) == ["more: not part of the entry when it was written", "file: changed"]


def test_prune_removes_what_was_not_wanted_for_the_longest_time(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    for number, name in enumerate("abc"):
        path, _ = cache.get("trees", name, fill)
        os.utime(path, (number, number))
    os.utime(cache.path("trees", "a"), (9, 9))
    size = cache.entries()[0].size_bytes
    assert [entry.digest for entry in cache.prune(2 * size)] == ["b"]
    assert {entry.digest for entry in cache.entries()} == {"a", "c"}


def test_prune_of_one_kind_leaves_what_is_wanted(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.get("trees", "a", fill)
    for name in "bc":
        cache.get("filesystems", name, fill)
    assert [entry.digest for entry in cache.prune(0, kind="filesystems", wanted=cache.path("filesystems", "b"))] == [
        "c"
    ]
    assert {entry.digest for entry in cache.entries()} == {"a", "b"}


def test_prune_leaves_what_another_process_uses(tmp_path: Path) -> None:
    Cache(tmp_path).get("trees", "a", fill)
    program = (
        "import sys; from pathlib import Path; from imagebuild.host.cache import Cache\n"
        "Cache(Path(sys.argv[1])).get('trees', 'a', None); print('ready', flush=True); sys.stdin.read()"
    )
    argv = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as user:
        assert user.stdout is not None
        assert user.stdout.readline() == b"ready\n"
        assert Cache(tmp_path).prune(0) == []
        user.communicate(timeout=10)
    assert [entry.digest for entry in Cache(tmp_path).prune(0)] == ["a"]


def test_every_kind_is_in_the_table() -> None:
    assert set(KINDS) == {*get_args(Kind), *get_args(FileKind)}, "and mypy lets nothing be cached under another name"
    assert all(about.what and about.key for about in KINDS.values())


def test_what_is_no_entry_is_not_listed(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.get("trees", "a", fill)
    shutil.copytree(tmp_path / "trees", tmp_path / "of-an-older-version")
    (tmp_path / "dask/worker-1").mkdir(parents=True)
    assert {entry.kind for entry in cache.entries()} == {"trees", "of-an-older-version"}


def test_the_oldest_stamps_are_forgotten(tmp_path: Path) -> None:
    images = [tmp_path / name for name in "abc"]
    cache = Cache(tmp_path / "cache")
    for number, image in enumerate(images):
        image.write_bytes(b"one")
        os.utime(image, (1000, 1000))
        known_digest.known_sha256(image, cache)
        stamp = max((cache.root / "stamps").iterdir(), key=lambda path: path.stat().st_mtime_ns)
        os.utime(stamp, (number, number))
    assert known_digest.forget_stamps(cache.root, 2) == 1
    assert len(list((cache.root / "stamps").iterdir())) == 2
    assert prune_cache(cache, 0).stamps == 2, "a cache that is emptied forgets them all"


def test_a_stamp_that_is_written_makes_the_oldest_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_digest, "MOST_STAMPS", 2)
    cache = Cache(tmp_path / "cache")
    for name in "abcd":
        (tmp_path / name).write_bytes(b"one")
        os.utime(tmp_path / name, (1000, 1000))
        known_digest.known_sha256(tmp_path / name, cache)
    assert len(list((cache.root / "stamps").iterdir())) == 2


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_nobody_else_looks_into_the_cache(umask: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        with Cache(tmp_path / "new").lock("doctor", "x"):
            pass
        (tmp_path / "old").mkdir(mode=0o755)
        with Cache(tmp_path / "old").lock("doctor", "x"):
            pass
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("new", "old")] == [0o700, 0o700]
