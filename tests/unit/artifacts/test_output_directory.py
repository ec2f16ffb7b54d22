"""The output directory changes at once: killed at any step, a whole image and no false claim are left."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

import pytest

from imagebuild.artifacts.output_directory import PAGE, REPORT, SUMS, open_folder, sums

OLD, NEW = b"old image", b"new image"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def texts(content: bytes, image: str) -> dict[str, str]:
    """REPORT first: it has to come last by itself."""
    report = {"image": {"path": image, "sha256": digest(content)}, "boots": [{"console": "console-qemu.log"}]}
    return {REPORT: json.dumps(report), PAGE: "<html>", SUMS: sums(image, digest(content), {})}


def put(path: Path, content: bytes, image: str) -> None:
    with open_folder(path, "web") as folder:
        folder.partial_image.write_bytes(content)
        folder.partial("web.raw.zst").write_bytes(content)
        (folder.make_consoles() / "console-qemu.log").write_bytes(content)
        folder.replace(texts(content, image), image=image, others=["web.raw.zst"])


def put_and_die(path: Path, image: str, step: int) -> bool:
    """Replace the result in a process that ends, as by SIGKILL, at its `step`th change; whether it came so far."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    left = step

    def count(event: str, _arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in ("os.rename", "os.remove"):
            left -= 1
            if left == 0:
                os._exit(9)

    with open_folder(path, "web") as folder:
        folder.partial_image.write_bytes(NEW)
        folder.partial("web.raw.zst").write_bytes(NEW)
        (folder.make_consoles() / "console-qemu.log").write_bytes(NEW)
        sys.addaudithook(count)
        folder.replace(texts(NEW, image), image=image, others=["web.raw.zst"])
    os._exit(0)


def check(path: Path) -> None:
    """What must hold in a directory whatever happened: whole images, and no word about one that is not there."""
    images = {
        found.name: found.read_bytes() for found in path.glob("web.raw*") if found.suffix not in (".zst", ".partial")
    }
    assert images
    assert set(images.values()) <= {OLD, NEW}
    if (path / REPORT).exists():
        claimed = json.loads((path / REPORT).read_text())["image"]
        assert digest(images[claimed["path"]]) == claimed["sha256"]
        assert list(images) == [claimed["path"]]
        assert (path / "console-qemu.log").read_bytes() == images[claimed["path"]]
    if (path / SUMS).exists():
        claimed_digest, name = (path / SUMS).read_text().split()
        assert digest(images[name]) == claimed_digest


@pytest.mark.parametrize("image", ["web.raw", "web.raw.rejected", "web.raw.unverified"])
def test_killed_at_every_step(image: str, tmp_path: Path) -> None:
    steps = 0
    for step in range(1, 200):
        path = tmp_path / str(step)
        put(path, OLD, "web.raw")
        if not put_and_die(path, image, step):
            break
        steps += 1
        check_after_the_next_run(path, image)
    assert steps > 20  # every name that is removed or put in place


def check_after_the_next_run(path: Path, image: str) -> None:
    check(path)
    put(path, NEW, image)
    check(path)
    assert (path / image).read_bytes() == NEW
    assert not list(path.glob("*.partial"))


def test_a_result_replaces_another(tmp_path: Path) -> None:
    put(tmp_path, OLD, "web.raw")
    put(tmp_path, NEW, "web.raw.rejected")
    check(tmp_path)
    assert not (tmp_path / "web.raw").exists()
    assert (tmp_path / REPORT).exists()


def test_what_others_are_not_to_read(tmp_path: Path) -> None:
    """Whatever the umask is: the image that holds a hash, and the recipe that holds a secret text."""
    before = os.umask(0)
    try:
        with open_folder(tmp_path / "out", "web") as folder:
            folder.make_private(folder.partial_image)
            folder.partial_image.write_bytes(b"image")
            folder.replace({"recipe.yaml": "a", REPORT: "{}"}, image="web.raw", private={"recipe.yaml"})
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "out").iterdir()}
    assert (modes["web.raw"], modes["recipe.yaml"], modes[REPORT]) == (0o600, 0o600, 0o666)
