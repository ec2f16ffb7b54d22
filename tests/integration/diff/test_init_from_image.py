"""`imagebuild init --from IMAGE`: partitions, filesystems and the boot menu of a real image become a recipe."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from imagebuild.plan.planner import make_plan
from imagebuild.recipe.load import load_recipe

pytestmark = [pytest.mark.integration, pytest.mark.needs("mke2fs", "debugfs", "sfdisk")]
MIB = 2**20


def init(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "imagebuild", "init", *words]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)


def partitioned(folder: Path) -> Path:
    """A /boot of ext2 and a root of ext4, as an hd00 image has them."""
    boot, root = folder / "boot", folder / "root"
    (boot / "grub").mkdir(parents=True)
    menu = "default 0\ntimeout 7\ntitle one\nroot (hd0,0)\nkernel /vmlinuz root=LABEL=rootfs ro quiet console=hvc0\n"
    (boot / "grub/menu.lst").write_text(menu)
    (root / "etc").mkdir(parents=True)
    (root / "etc/fstab").write_text("LABEL=rootfs / ext4 defaults 0 1\nLABEL=bootfs /boot ext2 defaults 0 2\n")
    image = folder / "old server.raw"
    image.write_bytes(b"")
    os.truncate(image, 64 * MIB)
    table = "label: dos\nstart=2048, size=32768, type=83\nstart=34816, type=83\n"
    subprocess.run(["sfdisk", "-q", str(image)], input=table, text=True, check=True)
    for tree, kind, label, start, size in (
        (boot, "ext2", "bootfs", 2048, "16M"),
        (root, "ext4", "rootfs", 34816, "40M"),
    ):
        options = ["-t", kind, "-L", label, "-d", str(tree), "-E", f"offset={start * 512}"]
        subprocess.run(["mke2fs", "-q", *options, str(image), size], check=True)
    return image


def test_from_an_image_with_partitions(tmp_path: Path) -> None:
    image = partitioned(tmp_path)
    done = init("new.yaml", "--from", image.name, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    recipe = load_recipe(tmp_path / "new.yaml").recipe
    make_plan(recipe, None)
    assert recipe.name == "old-server"
    assert recipe.rootfs.image is not None
    assert recipe.rootfs.image.path == "old server.raw"
    assert [(part.mount, part.filesystem.type, part.filesystem.label) for part in recipe.disk.partitions
            if part.filesystem] == [("/boot", "ext2", "bootfs"), ("/", "ext4", "rootfs")]  # fmt: skip
    assert (recipe.boot.timeout, recipe.boot.command_line) == (7, "ro quiet console=hvc0")


def test_nothing_is_overwritten_and_nothing_asked(tmp_path: Path) -> None:
    assert init("a.yaml", folder=tmp_path).returncode == 0
    before = (tmp_path / "a.yaml").read_bytes()
    done = init("a.yaml", "--layout", "hd00", folder=tmp_path)
    assert (done.returncode, (tmp_path / "a.yaml").read_bytes()) == (2, before)
    assert init("a.yaml", "--layout", "hd00", "--force", folder=tmp_path).returncode == 0
    assert load_recipe(tmp_path / "a.yaml").recipe.disk.layout == "hd00"
    assert init("b.yaml", "--lvm", "--layout", "hd0", folder=tmp_path).returncode == 2
    assert init("-", "--name", "web", folder=tmp_path).stdout.startswith("# yaml-language-server")
    assert {path.name for path in tmp_path.iterdir()} == {"a.yaml"}


def test_questions_on_a_terminal(tmp_path: Path) -> None:
    answers = "\n\nnonsense\nhd00\ny\nx\n\nwww\n\n"
    argv = ["script", "-qec", f"{sys.executable} -m imagebuild init asked.yaml", "/dev/null"]
    done = subprocess.run(argv, cwd=tmp_path, input=answers, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    assert "'nonsense' is not a choice; enter" in done.stdout
    recipe = load_recipe(tmp_path / "asked.yaml").recipe
    assert (recipe.name, recipe.system.hostname) == ("asked", "www")
    volume = recipe.disk.volume_groups["vg0"][0]
    assert (volume.mount, volume.filesystem.type) == ("/", "xfs")
