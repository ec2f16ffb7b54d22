"""The Dockerfile: README's first command works in its image, as an ordinary user."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.container.conftest import Engine

NAME = "localhost/imagebuild"
# Those that docs/how-to/nightly.md names for podman.
OPTIONS = ["--security-opt", "unmask=ALL"]


@pytest.fixture(scope="module")
def image(engine: Engine, checkout: Path) -> str:
    # chroot: the build's own steps need no container inside a container
    options = ["--isolation", "chroot", "--network", "host", *engine.registries]
    engine.podman("build", *options, "--tag", NAME, checkout)
    return NAME


def inside(engine: Engine, image: str, *words: str, more: tuple[str, ...] = ()) -> str:
    limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096"]
    return engine.podman("run", "--rm", "--network", "host", *limits, *OPTIONS, *more, image, *words)


def test_the_user_is_an_ordinary_one_with_sub_uids(engine: Engine, image: str) -> None:
    assert inside(engine, image, "id", "-un").strip() == "builder"
    space = ["unshare", "--user", "--map-root-user", "--map-auto", "--mount", "--pid", "--fork", "--mount-proc"]
    assert inside(engine, image, *space, "id", "-u").strip() == "0"


def test_layers_are_small_but_for_the_packages(engine: Engine, image: str) -> None:
    sizes = [layer["size"] for layer in json.loads(engine.podman("history", "--format", "json", image))]
    large = [size for size in sizes if size > 300 * 10**6]
    assert len(large) == 1, "the Debian packages"
    assert sum(sizes) < 2 * 10**9


def test_the_first_command_of_the_readme(engine: Engine, image: str, tmp_path: Path) -> None:
    """`make image`: built, read back, and booted under QEMU and Xen."""
    for name in ("out", "cache"):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(0o777)
    home = "/home/builder"
    volumes = ("--volume", f"{tmp_path}/out:{home}/imagebuild/out", "--volume", f"{tmp_path}/cache:{home}/.cache")
    said = inside(engine, image, "make", "image", more=volumes)
    assert "debian-12-hd0: passed" in said
    folder = tmp_path / "out/debian-12-hd0"
    report = json.loads((folder / "report.json").read_bytes())
    assert report["verdict"] == "passed"
    assert {boot["machine"] for boot in report["boots"]} == {"qemu", "xen"}
    with (folder / report["image"]["path"]).open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == report["image"]["sha256"]
