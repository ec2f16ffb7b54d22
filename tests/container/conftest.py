"""Containers without a registry: the base image is imported from an mmdebstrap tree under its official name.

Root only: a storage of its own is used, and packages are installed where they lack (podman, buildah, runc). `make
container-test` runs these tests; `make test` does not, because they take half an hour.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import require

ROOT = Path(__file__).parents[2]
PACKAGES = {"podman": "podman", "buildah": "buildah", "runc": "runc", "mmdebstrap": "mmdebstrap"}
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(item.path).is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.container)


@dataclass(frozen=True)
class Engine:
    """podman and buildah over one storage."""

    folder: Path
    base: str

    def podman(self, *words: str | Path, timeout_seconds: float = 1800) -> str:
        return self._run("podman", ["--cgroup-manager", "cgroupfs", "--runtime", runc()], words, timeout_seconds)

    def buildah(self, *words: str | Path, timeout_seconds: float = 1800) -> str:
        return self._run("buildah", [], words, timeout_seconds)

    def _run(self, program: str, options: list[str], words: tuple[str | Path, ...], timeout_seconds: float) -> str:
        place = ["--root", str(self.folder / "storage"), "--runroot", str(self.folder / "run")]
        argv = [program, *place, *options, *map(str, words)]
        done = subprocess.run(
            argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout_seconds, cwd=ROOT
        )
        assert done.returncode == 0, done.stdout[-4000:]
        return done.stdout

    @property
    def registries(self) -> list[str]:
        """Volumes through which a build reaches PyPI as this machine does, with its certificates."""
        own = self.folder / "pip.conf"
        own.write_text("[global]\ncert = /run/registries.crt\n")
        return ["--volume", f"{own}:/etc/pip.conf:ro", "--volume", f"{CERTIFICATES}:/run/registries.crt:ro"]


def runc() -> str:
    return shutil.which("runc", path=f"{os.environ['PATH']}:/usr/sbin") or "runc"


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    require("root")
    missing = [package for program, package in PACKAGES.items() if not shutil.which(program)]
    if missing:
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], check=True)
    found = re.search(r"^ARG DEBIAN=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert found
    engine = Engine(tmp_path_factory.mktemp("containers"), found[1])
    tree = engine.folder / "base.tar"
    subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", "trixie", str(tree)], check=True)
    engine.podman("import", "--quiet", tree, engine.base)
    tree.unlink()
    yield engine
    engine.podman("system", "reset", "--force")


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is in git or would be, as it lies in the working folder."""
    folder = tmp_path_factory.mktemp("checkout")
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in [name for name in names.split("\0") if name and (ROOT / name).is_file()]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    return folder
