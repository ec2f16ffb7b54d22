"""A scheduler and two workers as processes of their own; one dies while it builds, and nothing is lost or doubled."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imagebuild.nightly.model import Night, Options, State
from imagebuild.nightly.night import NightRequest, run_night
from imagebuild.nightly.store import CURRENT, Store, as_url
from tests import images

pytestmark = [pytest.mark.integration, pytest.mark.needs("namespace", "e2fsprogs")]

HESITANT = (sys.executable, str(Path(__file__).with_name("hesitant_program.py")))
RECIPE = """\
name: {name}
rootfs: {{tar: tree.tar}}
disk: {{layout: hd0, filesystem: ext4, size: {size}MiB}}
"""
SERVE = """\
import sys
from pathlib import Path
from imagebuild.nightly.worker import WorkerRequest, serve
resources = {"build": 1, "qemu": 1, "xen": 1}
serve(WorkerRequest(sys.argv[1], 1, sys.argv[2], Path(sys.argv[3])), resources)
"""
SCHEDULER = "import sys; from distributed.cli.dask_scheduler import main; sys.exit(main())"
LIMIT_SECONDS = 120


@pytest.fixture
def recipes(tmp_path: Path) -> list[Path]:
    """Four small images of one tree that no boot could be tried with."""
    folder = tmp_path / "recipes"
    initrd = images.initrd(modules=("xen-blkfront", "ext4", "virtio_blk", "virtio_pci"))
    images.write_tree(folder / "tree", images.tree(initrd=initrd))
    with tarfile.open(folder / "tree.tar", "w") as archive:
        archive.add(folder / "tree", arcname=".")
    paths = []
    for number, name in enumerate(("one", "two", "three", "four")):
        paths.append(folder / f"{name}.yaml")
        paths[-1].write_text(RECIPE.format(name=name, size=48 + number))
    return paths


class Cluster:
    """A scheduler and workers, each with a cache of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[subprocess.Popen[bytes]] = []
        self.scheduler = self._start("scheduler", SCHEDULER, *self._scheduler_words())
        self.address = str(json.loads(self._wait_for(folder / "scheduler.json"))["address"])

    def _scheduler_words(self) -> list[str]:
        file = str(self.folder / "scheduler.json")
        return ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-jupyter", "--scheduler-file", file]

    def add_worker(self, name: str) -> None:
        self._start(name, SERVE, self.address, name, str(self.folder / name))

    def _start(self, name: str, code: str, *words: str) -> subprocess.Popen[bytes]:
        environment = os.environ | {"IMAGEBUILD_CACHE": str(self.folder / f"cache-{name}")}
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", code, *words], env=environment, cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self._started.append(process)
        return process

    def _wait_for(self, path: Path) -> str:
        return wait_for(lambda: path.read_text() if path.is_file() and path.stat().st_size else "")

    def close(self) -> None:
        for process in self._started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # each has a session of its own
            process.wait()


def wait_for(found: Callable[[], str]) -> str:
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        if value := found():
            return value
        time.sleep(0.1)
    raise AssertionError("it did not come in time")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    folder = tmp_path / "cluster"
    folder.mkdir()
    cluster = Cluster(folder)
    yield cluster
    cluster.close()


@pytest.fixture(params=["file", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where the night's results go: a folder, or moto's S3."""
    if request.param == "file":
        yield f"file://{tmp_path}/store"
        return
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ALLOW_HTTP": "true",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    # a session of its own: boto3 keeps the first one's credentials for the whole process
    boto3.session.Session().client("s3", endpoint_url=f"http://{host}:{port}").create_bucket(Bucket="images")
    yield "s3://images/nightly"
    server.stop()


def run(
    recipes: list[Path], output: str, scheduler: str = "", program: tuple[str, ...] = (), say: object = None
) -> Night:
    options = Options(machines=(), program=program)
    lines = say if callable(say) else lambda name, line: None
    return run_night(NightRequest(recipes, output, options, 2, scheduler), lines)


def digests(night: Night) -> dict[str, str]:
    return {result.name: result.image_sha256 for result in night.results}


def test_a_worker_dies_while_it_builds(
    recipes: list[Path], cluster: Cluster, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGEBUILD_CACHE", str(tmp_path / "cache"))
    local = run(recipes, str(tmp_path / "local"))
    assert local.exit_code == 0
    hesitate = tmp_path / "hesitate"
    monkeypatch.setenv("HESITATE_FILE", str(hesitate))
    cluster.add_worker("first")
    cluster.add_worker("second")
    killed: list[int] = []

    def kill() -> None:
        worker, child = (
            int(pid) for pid in wait_for(lambda: hesitate.read_text() if hesitate.exists() else "").split()
        )
        os.kill(worker, signal.SIGKILL)
        killed.extend((worker, child))

    killer = threading.Thread(target=kill)
    killer.start()
    lines: list[str] = []
    night = run(recipes, place, cluster.address, HESITANT, lambda name, line: lines.append(f"{name}: {line}"))
    killer.join()
    assert {result.state for result in night.results} == {State.NOT_VERIFIED}, night.results
    assert digests(night) == digests(local), "bit for bit what one machine makes"
    assert any(line.endswith("filesystems …") for line in lines), "lines come while it builds"
    _worker, child = killed
    wait_for(lambda: "" if Path(f"/proc/{child}").exists() else "the build has ended with its worker")

    store = Store(as_url(place))
    for result in night.results:
        current = json.loads(store.read(f"{result.name}/{CURRENT}") or b"")
        inside = {name.split("/")[1] for name in store.names(result.name)}
        assert inside == {CURRENT, current["stored"]}, "exactly one artifact is published"
        assert f"{result.name}.raw.unverified.zst" in current["files"]
    assert store.read("summary.html")
    assert any(name.startswith("shared/trees/") for name in store.names("shared"))

    again = run(recipes, place, cluster.address, HESITANT)
    assert {(result.state, result.attempts) for result in again.results} == {(State.NOT_VERIFIED, 0)}
    assert digests(again) == digests(local)


def test_the_scheduler_goes_away(
    recipes: list[Path], cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hesitate = tmp_path / "hesitate"
    monkeypatch.setenv("HESITATE_FILE", str(hesitate))
    monkeypatch.setenv("IMAGEBUILD_CACHE", str(tmp_path / "cache"))
    cluster.add_worker("first")

    def kill() -> None:
        wait_for(lambda: hesitate.read_text() if hesitate.exists() else "")
        cluster.scheduler.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    place = f"file://{tmp_path}/store"
    night = run(recipes, place, cluster.address, HESITANT)
    killer.join()
    assert {result.state for result in night.results} == {State.LOST}
    assert night.exit_code == 6
    assert "the scheduler stopped" in night.results[0].message
    assert json.loads(Store(place).read("summary.json") or b"")["exit_code"] == 6
