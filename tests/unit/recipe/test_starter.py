"""Every recipe that `imagebuild init` can write is valid, planned, and says what was answered."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import get_args

import pytest

from imagebuild.plan.planner import make_plan
from imagebuild.recipe.load import load_recipe
from imagebuild.recipe.model import Recipe
from imagebuild.recipe.starter import Answers, FoundFilesystem, FoundImage, from_image, starter
from imagebuild.vocabulary import RootType


def loaded(text: str, folder: Path) -> Recipe:
    (folder / "recipe.yaml").write_text(text)
    (folder / "old.raw").write_bytes(b"")
    return load_recipe(folder / "recipe.yaml").recipe


@pytest.mark.parametrize(
    ("layout", "filesystem", "lvm"),
    [
        (layout, filesystem, lvm)
        for layout, filesystem, lvm in itertools.product(("hd0", "hd00"), get_args(RootType), (False, True))
        if not (lvm and layout == "hd0")
    ],
)
def test_every_answer_makes_a_recipe(tmp_path: Path, layout: str, filesystem: str, lvm: bool) -> None:
    answers = Answers("web-1", layout, filesystem, lvm, "trixie", "4GiB", "www")  # type: ignore[arg-type]
    recipe = loaded(starter(answers), tmp_path)
    assert (recipe.name, recipe.disk.layout, recipe.system.hostname) == ("web-1", layout, "www")
    assert recipe.rootfs.debian is not None
    assert recipe.rootfs.debian.suite == "trixie"
    root = next(part for part in make_plan(recipe, None).filesystems if part.mountpoint == "/")
    assert root.type == filesystem
    assert ("/dev/vg0/root" in root.place or "vg0" in root.place) == lvm


def test_defaults_need_no_size(tmp_path: Path) -> None:
    assert loaded(starter(Answers()), tmp_path).disk.size is None


def test_a_recipe_from_an_image(tmp_path: Path) -> None:
    volumes = (
        FoundFilesystem("ext4", "rest", "/", "root", "root"),
        FoundFilesystem("swap", "256MiB", None, "", "swap"),
    )
    parts = (FoundFilesystem("ext2", "128MiB", "/boot", "boot"), FoundFilesystem("ext4", "rest", None, group="vg0"))
    found = FoundImage(
        "old", "old.raw", "2048MiB", "mbr", parts, (("vg0", volumes),), 5, 0, 'ro quiet "a b" console=hvc0'
    )
    recipe = loaded(from_image(found), tmp_path)
    assert recipe.rootfs.image is not None
    assert recipe.rootfs.image.path == "old.raw"
    assert (recipe.boot.timeout, recipe.boot.command_line) == (5, 'ro quiet "a b" console=hvc0')
    assert [volume.name for volume in recipe.disk.volume_groups["vg0"]] == ["root", "swap"]
    make_plan(recipe, None)
