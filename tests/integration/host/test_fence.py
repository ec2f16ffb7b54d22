"""The fence: a program tries the known ways out of a tree, as root and as an ordinary user, and every one is closed.

The control tries the same ways after nothing but chroot(2), so that what is closed is seen to be closed by the fence.
Bombs end in bounded time, each by its limit.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagebuild.host.fence import scope
from tests.ordinary_user import give_imagebuild, home

pytestmark = [pytest.mark.integration, pytest.mark.needs("namespace", "fence", "gcc")]

HERE = Path(__file__).parent
LIMIT_SECONDS = 300
_RUN = """
import json, os, sys
from pathlib import Path
from imagebuild.host import namespace
from imagebuild.host.fence.door import run
from imagebuild.host.fence.request import Limits, Program
if sys.argv[1] == "outside":
    os.execvp("unshare", [*namespace.prefix(network=True), sys.executable, __file__, "inside", *sys.argv[2:]])
job = json.loads(sys.argv[2])
ended = run(Program(tree=Path(sys.argv[3]), environment={}, **job), lambda line: None)
print(json.dumps({"result": ended.result.model_dump(), "how": ended.how, "output": ended.output}))
"""
# What a way needs of the machine beyond the privileges of its own root.
_NOT_EVERYWHERE = {
    "handle": "a filesystem that has handles", "load_kernel": "kexec", "load_module": "modules", "sysrq": "sysrq",
    "hypervisor_socket": "vsock", "kernel_memory": "/proc/kcore", "terminal_input": "TIOCSTI (off since Linux 6.2)",
    "memory_node": "/dev/mem", "ports": "x86, not locked down", "key": "keyrings", "mount_devtmpfs": "devtmpfs",
    "disk_node": "a disk under /", "core_pattern": "writable sysctls", "restart": "the first process namespace",
    "root_of_first_process": "a process 1 with the same root", "mount_sysfs": "sysfs that is not masked",
    "kernel_log": "a log that it may read",
}  # fmt: skip
# What root (in a container, too) may do after chroot(2), and what an ordinary user may, who is root of a namespace.
_OPEN_TO_ROOT = {
    "chroot_twice", "mount_tmpfs", "mount_proc", "bind_over_etc", "remount_root", "fs_context", "root_of_process",
    "memory_of_process", "enter_mounts", "new_user_namespace", "new_mount_namespace", "new_namespace_by_clone",
    "trace_process", "signal_process", "read_process", "inherited_file", "abstract_socket", "local_network", "packets",
}  # fmt: skip
_OPEN_TO_A_USER = {
    "chroot_twice", "mount_tmpfs", "bind_over_etc", "fs_context", "new_user_namespace",
    "new_mount_namespace", "new_namespace_by_clone", "signal_process", "inherited_file", "abstract_socket",
    "local_network",
}  # fmt: skip
# Linux makes no user namespace for a process that has changed its root (unshare(2)); the fence's is in another way.
_NOT_AFTER_CHROOT = ("new_user_namespace", "new_namespace_by_clone")
WAYS = _OPEN_TO_ROOT | set(_NOT_EVERYWHERE)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("program") / "ways_out"
    subprocess.run(["gcc", "-static", "-O1", "-Wall", "-Werror", "-o", path, HERE / "ways_out.c"], check=True)
    return path


class Outside:
    """What is outside of the tree, in `directory`, and belongs to `user` (None: to whom the tests run as)."""

    def __init__(self, directory: Path, program: Path, user: str | None) -> None:
        self.directory, self.user = directory, user
        self.tree = directory / "tree"
        for name in ("proc", "dev", "run", "tmp", "etc", "bin"):
            (self.tree / name).mkdir(parents=True)
        shutil.copy2(program, self.tree / "bin/ways_out")
        self.canary = directory / "canary"
        self.canary.write_text("outside\n")
        (directory / "run.py").write_text(_RUN)
        if user is not None:
            subprocess.run(["chown", "-R", f"{user}:", directory], check=True)
            give_imagebuild(user)

    def python(self) -> str:
        return sys.executable if self.user is None else "/usr/bin/python3"

    def run(self, argv: list[str], *, descriptors: tuple[int, ...] = ()) -> str:
        """Run it as the user; returns what it printed."""
        become = [] if self.user is None else ["setpriv", "--reuid", self.user, "--regid", self.user, "--init-groups"]
        environment = {"PATH": os.environ["PATH"], "HOME": str(home(self.user) if self.user else Path.home())}
        done = subprocess.run(
            [*become, *argv],
            capture_output=True, text=True, timeout=LIMIT_SECONDS, cwd=self.directory, env=environment,
            pass_fds=descriptors,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def fenced(self, argv: list[str], *, descriptors: tuple[int, ...] = (), **more: object) -> dict[str, object]:
        limits = {"seconds": 120, "memory_bytes": 2**30, "processes": 500} | dict(more.pop("limits", {}))  # type: ignore[call-overload]
        job = json.dumps({"argv": argv, "limits": limits, **more})
        said = self.run([self.python(), "run.py", "outside", job, str(self.tree)], descriptors=descriptors)
        answer = json.loads(said.splitlines()[-1])
        assert isinstance(answer, dict)
        return answer

    def control(self, argv: list[str], *, descriptors: tuple[int, ...] = ()) -> str:
        """The same after chroot(2) in a mount namespace, as it was before there was a fence."""
        become = ["unshare", "--mount", *([] if self.user is None else ["--user", "--map-root-user", "--map-auto"])]
        script = (
            f"mount --bind {self.tree} {self.tree} && "
            f"mount --rbind /proc {self.tree}/proc && mount --rbind /dev {self.tree}/dev && "
            f'exec chroot {self.tree} "$@"'
        )
        after_chroot = self.run([*become, "sh", "-c", script, "sh", *argv], descriptors=descriptors)
        return after_chroot + self.run([f"{self.tree}{argv[0]}", *argv[1:], *_NOT_AFTER_CHROOT])


@contextlib.contextmanager
def arguments(outside: Outside, program: Path) -> Iterator[list[str]]:
    """ways_out's argv; what it is told of lives as long as the block."""
    name = f"imagebuild-test-{os.getpid()}"
    device = Path("/").stat().st_dev
    become = [] if outside.user is None else ["setpriv", "--reuid", outside.user, "--regid", outside.user]
    words = [*become, "--clear-groups", "sleep", "600"] if become else ["sleep", "600"]
    handle = subprocess.run([program, "--handle", outside.directory], capture_output=True, text=True, check=True)
    with (
        socket.socket(socket.AF_UNIX) as abstract,
        socket.create_server(("127.0.0.1", 0)) as server,
        subprocess.Popen(words) as sleeper,
    ):
        abstract.bind(f"\0{name}")
        abstract.listen()
        try:
            facts = [sleeper.pid, name, server.getsockname()[1], os.major(device), os.minor(device)]
            yield ["/bin/ways_out", str(outside.canary), *map(str, facts), *handle.stdout.split()]
        finally:
            sleeper.kill()


def states(said: str) -> dict[str, str]:
    """Of each way whether it is open; the lines may stand in a log."""
    return {name: state for name, state in re.findall(r"\b(\w+) (open|closed)\b", said) if name in WAYS}


def open_ways(said: str) -> set[str]:
    found = states(said)
    assert set(found) == WAYS, said or "it printed nothing"
    return {name for name, state in found.items() if state == "open"}


@pytest.fixture(params=["root", "user"])
def outside(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, program: Path
) -> Iterator[Outside]:
    """For root, and for an ordinary user; where the tests are not root's, the user is who runs them."""
    if request.param == "root":
        if os.geteuid() != 0:
            pytest.skip("the tests do not run as root")
        yield Outside(tmp_path_factory.mktemp("outside"), program, None)
        return
    user = request.getfixturevalue("ordinary_user") if os.geteuid() == 0 else None
    directory = Path(f"/var/tmp/imagebuild-fence-{os.getpid()}")
    directory.mkdir()
    try:
        yield Outside(directory, program, user)
    finally:
        shutil.rmtree(directory)


def test_every_way_out_is_closed(outside: Outside, program: Path) -> None:
    with arguments(outside, program) as argv, outside.canary.open() as canary:
        os.set_inheritable(canary.fileno(), True)
        control = open_ways(outside.control(argv, descriptors=(canary.fileno(),)))
        answer = outside.fenced(argv, descriptors=(canary.fileno(),))
    is_root = os.geteuid() == 0 and outside.user is None
    expected = _OPEN_TO_ROOT if is_root else _OPEN_TO_A_USER
    assert expected - control == set(), "without the fence these are open, so the program does try them"
    assert open_ways(str(answer["output"])) == set()
    assert answer["result"] == {"exit_code": 0, "limit": None, "trouble": ""}


def test_with_the_network_only_the_network_is_open(outside: Outside, program: Path) -> None:
    with arguments(outside, program) as argv:
        answer = outside.fenced(argv, network=True)
    expected = {"local_network"} | (set() if scope.possible() else {"abstract_socket"})
    assert open_ways(str(answer["output"])) == expected


@pytest.mark.needs("root")
def test_without_a_user_namespace_the_fence_still_stands(
    program: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Where no ids are free or the kernel cannot map owners: root of the tree is then root, without privileges."""
    outside = Outside(tmp_path_factory.mktemp("outside"), program, None)
    (outside.directory / "taken").write_text("somebody:1878982656:65536\n")
    script = f"for name in subuid subgid; do touch /etc/$name; mount --bind {outside.directory}/taken /etc/$name; done"
    with arguments(outside, program) as argv:
        job = json.dumps({"argv": argv, "limits": {"seconds": 120, "memory_bytes": 2**30, "processes": 500}})
        words = [sys.executable, "run.py", "outside", job, str(outside.tree)]
        said = outside.run(["unshare", "--mount", "sh", "-c", f'{script}; exec "$@"', "sh", *words])
    answer = json.loads(said.splitlines()[-1])
    assert open_ways(answer["output"]) == set()


@pytest.fixture
def shell(outside: Outside) -> Outside:
    """A tree with a shell."""
    libraries = subprocess.run(["ldd", "/bin/dash", "/bin/cat"], capture_output=True, text=True, check=True).stdout
    for path in {Path(word) for word in libraries.split() if word.startswith("/") and not word.endswith(":")}:
        target = outside.tree / str(path).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    shutil.copy2("/bin/dash", outside.tree / "bin/sh")
    shutil.copy2("/bin/cat", outside.tree / "bin/cat")
    return outside


def test_what_root_of_the_tree_has(shell: Outside) -> None:
    script = "cat /proc/self/status /proc/self/uid_map; echo own > /etc/own; ulimit -c; echo $$"
    said = str(shell.fenced(["sh", "-c", script])["output"])
    status = dict(line.split(":\t", 1) for line in said.splitlines() if ":\t" in line)
    refused = 0
    for number in (16, 17, 18, 19, 21, 22, 12, 13, 27, 2, 24, 25, 34, 38, 39):  # SYS_MODULE … BPF (capability.h)
        refused |= 1 << number
    for name in ("CapPrm", "CapEff", "CapInh", "CapAmb"):
        assert int(status[name], 16) & refused == 0, name
        assert int(status[name], 16) & 1, "it may change owners"
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert status["Uid"].split() == ["0"] * 4
    written = (shell.tree / "etc/own").stat()
    expected = os.geteuid() if shell.user is None else home(shell.user).stat().st_uid
    assert written.st_uid == expected, "a file of the tree's root is root's in the tree"


@pytest.mark.parametrize(
    ("script", "limits", "limit", "how"),
    [
        (
            "b() { b | b & }; b; while :; do :; done", {"processes": 100, "seconds": 600},
            "processes", "had more than 100 processes",
        ),
        (
            "x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done", {"memory_bytes": 200 * 2**20},
            "memory", "used more than 200 MiB of memory",
        ),
        (
            "while :; do cat /bin/ways_out; done > /dev/shm/x", {"memory_bytes": 200 * 2**20},
            "memory", "used more than 200 MiB of memory",
        ),
        ("cat < /dev/zero > /dev/null & while :; do :; done", {"seconds": 3}, "time", "did not end within 3 s"),
    ],
    ids=["processes", "memory", "files in memory", "time"],
)  # fmt: skip
def test_bombs_end(script: str, limits: dict[str, int], limit: str, how: str, shell: Outside) -> None:
    answer = shell.fenced(["sh", "-c", script], limits=limits)
    assert answer["result"] == {"exit_code": None, "limit": limit, "trouble": ""}
    assert answer["how"] == how
    assert not [path for path in Path("/proc").glob("[0-9]*/root") if _leads_to(path, shell.tree)]


def _leads_to(root: Path, tree: Path) -> bool:
    try:
        return (root / "bin/ways_out").samefile(tree / "bin/ways_out")
    except OSError:
        return False


def test_how_a_program_ends_is_told(shell: Outside) -> None:
    assert shell.fenced(["sh", "-c", "exit 3"])["how"] == "ended with exit code 3"
    assert shell.fenced(["sh", "-c", "kill -9 $$"])["how"] == "was ended by signal 9"
    assert shell.fenced(["nonesuch"])["how"] == "could not be started"
