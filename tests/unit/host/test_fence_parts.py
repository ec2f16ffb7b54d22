"""The parts of the fence that need no namespace: limits, ids, and what is counted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imagebuild.errors import UsageError
from imagebuild.host.fence import bubblewrap, calls, nobody
from imagebuild.host.fence.door import Ended
from imagebuild.host.fence.limits import MEMORY_VARIABLE, PROCESSES_VARIABLE, SECONDS_VARIABLE, limits_here
from imagebuild.host.fence.request import Limits, Program, Result
from imagebuild.host.fence.watch import Watch

LIMITS = Limits(seconds=60, memory_bytes=100 * 2**20, processes=10)


def test_limits_are_the_machines_or_the_users() -> None:
    given = {MEMORY_VARIABLE: "300", PROCESSES_VARIABLE: "20", SECONDS_VARIABLE: "7"}
    assert limits_here(given) == Limits(seconds=7, memory_bytes=300 * 2**20, processes=20)
    assert limits_here({}).memory_bytes >= 2**30


@pytest.mark.parametrize("text", ["0", "-1", "much", "1.5", "٣", "9" * 5000])
def test_a_limit_is_a_number(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        limits_here({MEMORY_VARIABLE: text})
    assert MEMORY_VARIABLE in str(caught.value.problems[0])


@pytest.mark.parametrize(
    ("lines", "first"),
    [
        (None, 1_878_982_656),
        ("user:100000:65536\n", 1_878_982_656),
        ("user:100000:65536\nroot:200000:65536\n", 200_000),
        ("root:200000:1000\n", 1_878_982_656),
        ("user:1878982000:65536\n", None),
    ],
)
def test_the_ids_of_nobody(lines: str | None, first: int | None, tmp_path: Path) -> None:
    """Root's own range, or one that nobody has."""
    for name in ("subuid", "subgid") if lines else ():
        (tmp_path / name).write_text(lines or "")
    maps = Path("/proc/self/uid_map").read_text().split()
    if maps != ["0", "0", "4294967295"]:
        pytest.skip("this namespace does not have all ids")
    assert nobody.first_id(tmp_path) == first


def test_ranges_that_differ_are_not_taken(tmp_path: Path) -> None:
    (tmp_path / "subuid").write_text("root:200000:65536\n")
    assert nobody.first_id(tmp_path) is None


def fake_proc(proc: Path, processes: dict[str, int]) -> Path:
    for name, kib in processes.items():
        (proc / name).mkdir()
        (proc / name / "status").write_text(f"Name:\tx\nRssAnon:\t{kib} kB\n")
    (proc / "self").mkdir()
    (proc / "self/mounts").write_text("disk / ext4 rw 0 0\n")
    return proc


def test_what_all_use_together_is_counted(tmp_path: Path) -> None:
    proc = fake_proc(tmp_path, {"1": 10**6, "2": 100, "3": 100, "4": 60 * 1024, "5": 39 * 1024})
    watch = Watch(LIMITS, tmp_path, proc)
    assert watch.exceeded(None) is None
    (proc / "5/status").write_text(f"RssAnon:\t{41 * 1024} kB\n")
    assert watch.exceeded(None) == "memory"


def test_shared_memory_is_counted_too(tmp_path: Path) -> None:
    proc = fake_proc(tmp_path, {"1": 0, "2": 0})
    (proc / "sysvipc").mkdir()
    heading = "key shmid perms size cpid lpid nattch uid gid cuid cgid atime dtime ctime rss swap\n"
    (proc / "sysvipc/shm").write_text(heading + f"0 0 600 1 1 1 0 0 0 0 0 0 0 0 {200 * 2**20} 0\n")
    assert Watch(LIMITS, tmp_path, proc).exceeded(None) == "memory"


def test_processes_are_counted(tmp_path: Path) -> None:
    proc = fake_proc(tmp_path, {str(number): 1 for number in range(1, 14)})
    watch = Watch(LIMITS, tmp_path, proc)
    assert watch.exceeded(None) is None
    (proc / "14").mkdir()
    assert watch.exceeded(None) == "processes"


def test_an_environment_stands_in_no_list_of_processes(tmp_path: Path) -> None:
    """It is an option, and options go to bubblewrap by a file."""
    program = Program(tree=tmp_path, argv=("true",), environment={"TOKEN": "x"}, limits=LIMITS)
    words = bubblewrap.options(program, tmp_path, calls=3, status=4, script=None)
    assert words[words.index("TOKEN") - 1] == "--setenv"
    assert "--unshare-net" in words
    assert "--unshare-net" not in bubblewrap.options(
        program.model_copy(update={"network": True}), tmp_path, calls=3, status=4, script=None
    )


@pytest.mark.parametrize(
    ("result", "how", "variable"),
    [
        (Result(exit_code=3), "ended with exit code 3", ""),
        (Result(exit_code=137), "was ended by signal 9", ""),
        (Result(), "could not be started", ""),
        (Result(limit="time"), "did not end within 60 s", SECONDS_VARIABLE),
        (Result(limit="memory"), "used more than 100 MiB of memory", MEMORY_VARIABLE),
        (Result(limit="processes"), "had more than 10 processes", PROCESSES_VARIABLE),
    ],
)
def test_an_end_is_told_with_its_limit(result: Result, how: str, variable: str) -> None:
    ended = Ended(result, LIMITS, "")
    assert ended.how == how
    assert variable in ended.resolution
    assert bool(variable) == bool(ended.resolution)
    assert not ended.well


def test_the_list_of_calls_compiles() -> None:
    descriptor = calls.filter_file()
    try:
        assert os.fstat(descriptor).st_size % 8 == 0, "instructions of 8 bytes (seccomp(2))"
        assert os.fstat(descriptor).st_size > 8 * len(calls.NOT_PERMITTED)
    finally:
        os.close(descriptor)
