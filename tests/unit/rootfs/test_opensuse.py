"""The user guide's walk-through: its recipe, planned with imitations of the two files that it needs."""

from __future__ import annotations

import lzma
import shutil
from pathlib import Path

import pytest

from imagebuild.errors import RecipeError
from imagebuild.host.cache import Cache
from imagebuild.plan.planner import make_plan
from imagebuild.plan.steps import GenerateInitrd
from imagebuild.recipe.load import load_recipe
from imagebuild.rootfs.facts import read_tree
from imagebuild.rootfs.kernel_files import with_own_kernels
from tests import images
from tests.unit.rootfs.family_trees import opensuse_11, write_tar
from tests.unit.rootfs.package_files import Files, rpm

RECIPE = Path(__file__).parents[3] / "recipes" / "opensuse-11.2" / "opensuse-11.2-hd0.yaml"
VERSION = "2.6.35-rc4-8-ec2"  # as the guide's own listing has it
MENU = """\
default 0
timeout 3

title EC2
root (hd0)
kernel /boot/vmlinux-{version} root=UUID={uuid} ro console=xvc0
initrd /boot/initrd-{version}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return Path(shutil.copy(RECIPE, tmp_path))


def add_imitations(folder: Path) -> None:
    """A tree without a kernel, and the kernel's package: a vmlinux, with the disk's driver built in."""
    elf = b"\x7fELF\2\1\1" + bytes(9) + b"\2\0\x3e\0" + f"Linux version {VERSION} ".encode() + images.noise(4000)
    config = b"CONFIG_X86_64_XEN=y\nCONFIG_XEN=y\nCONFIG_XEN_BLKDEV_FRONTEND=y\nCONFIG_EXT3_FS=m\n"
    package: Files = {
        f"boot/vmlinux-{VERSION}": elf,
        f"boot/config-{VERSION}": config,
        f"lib/modules/{VERSION}/kernel/fs/ext3/ext3.ko": b"module",
    }
    (folder / "kernel-ec2-2.6.35-rc4.8.1.x86_64.rpm").write_bytes(rpm(package))
    files = {
        name: content for name, content in opensuse_11().files.items() if not name.startswith(("boot/", "lib/mod"))
    }
    plain = write_tar(folder / "plain.tar", files)
    (folder / "opensuse-11.2.tar.xz").write_bytes(lzma.compress(plain.read_bytes(), preset=0))


def test_it_says_which_files_are_missing(recipe: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe)
    said = [problem.message for problem in caught.value.problems]
    assert len(said) == 2
    assert all("there is no file" in message for message in said)
    assert "opensuse-11.2.tar.xz" in said[0]
    assert "kernel-ec2-2.6.35-rc4.8.1.x86_64.rpm" in said[1]


def test_the_plan_is_the_guides(recipe: Path, tmp_path: Path) -> None:
    add_imitations(tmp_path)
    loaded = load_recipe(recipe)
    tree = read_tree(tmp_path / "opensuse-11.2.tar.xz", "0" * 64)[0]
    plan = make_plan(loaded.recipe, with_own_kernels(tree, loaded, Cache(tmp_path / "cache")))
    assert plan.pending == ()
    assert plan.size_bytes == 10 * 2**30
    [root] = plan.filesystems
    assert (root.type, root.mountpoint) == ("ext3", "/")
    assert plan.menu == MENU.format(version=VERSION, uuid=root.uuid)
    [initrd] = [edit for edit in plan.all_edits if isinstance(edit, GenerateInitrd)]
    assert (initrd.tool, initrd.modules) == ("mkinitrd-suse", ("ext3",))
    assert initrd.path == f"/boot/initrd-{VERSION}"
