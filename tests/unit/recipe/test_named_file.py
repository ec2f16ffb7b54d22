"""What a recipe names is a regular file, or it is said what it is: nothing waits, nothing fills the memory."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from imagebuild.errors import RecipeError
from imagebuild.recipe.load import load_recipe
from imagebuild.recipe.named_file import NotAFileError, TooLargeError, open_named, read_named, read_whole

RECIPE = """\
name: web
rootfs: {tar: TAR}
disk: {layout: hd0, filesystem: ext4}
"""


def test_a_pipe_is_named_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotAFileError, match="is a pipe"):
        open_named(tmp_path / "pipe")


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null"])
def test_a_device(path: str) -> None:
    with pytest.raises(NotAFileError, match="is a device"):
        open_named(Path(path))


def test_a_socket(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        with pytest.raises(OSError, match="No such device"):  # ENXIO (open(2))
            open_named(tmp_path / "s")


def test_no_more_than_asked_for(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 100)
    assert len(read_named(tmp_path / "f", 10)) == 11


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 100)
    assert len(read_whole(tmp_path / "f", 100)) == 100
    with pytest.raises(TooLargeError, match="is larger than 99 bytes"):
        read_whole(tmp_path / "f", 99)


@pytest.mark.parametrize("path", ["/proc/kmsg", "/proc/self/mem", "/proc/version", "/sys/kernel/uevent_seqnum"])
def test_the_kernels_own_files(path: str) -> None:
    if not Path(path).exists():
        pytest.skip(f"no {path} here")
    with pytest.raises(OSError, match=r"of the kernel's|Permission denied|Operation not permitted"):
        open_named(Path(path))


def test_no_handle_is_left_open(tmp_path: Path) -> None:
    before = sum(1 for _ in Path("/proc/self/fd").iterdir())
    for _ in range(5):
        with pytest.raises(NotAFileError):
            open_named(tmp_path)
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == before


def problems(path: Path) -> str:
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, {})
    return "\n".join(map(str, caught.value.problems))


def test_a_recipe_that_is_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "recipe.yaml")
    assert "is a pipe: name a recipe file" in problems(tmp_path / "recipe.yaml")


def test_a_tree_that_is_a_device(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace("TAR", "/dev/zero"))
    assert "recipe.yaml:2:15: rootfs.tar: " in problems(tmp_path / "recipe.yaml")
    assert "is a device, a pipe or a socket: name a regular file" in problems(tmp_path / "recipe.yaml")


def test_a_script_that_is_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "run")
    (tmp_path / "tree.tar").write_bytes(b"")
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace("TAR", "tree.tar") + "scripts: [run]\n")
    assert "scripts.0: " in problems(tmp_path / "recipe.yaml")


def test_an_include_that_is_a_link_to_itself(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").symlink_to("base.yaml")
    (tmp_path / "recipe.yaml").write_text("include: [base.yaml]\n" + RECIPE)
    assert "recipe.yaml:1:11: include.0: " in problems(tmp_path / "recipe.yaml")


@pytest.mark.parametrize("size", ["99999999EiB", "8EiB", "٣GiB", "３GiB"])
def test_sizes_that_no_file_has(size: str, tmp_path: Path) -> None:
    (tmp_path / "tree.tar").write_bytes(b"")
    text = RECIPE.replace("TAR", "tree.tar").replace("layout: hd0", f"layout: hd0, size: {size}")
    (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
    assert "recipe.yaml:3:27: disk.size: " in problems(tmp_path / "recipe.yaml")
