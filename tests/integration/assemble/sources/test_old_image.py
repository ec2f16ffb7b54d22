"""The tree inside an existing image, in the formats and layouts that such images have."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from pathlib import Path

import pytest

from imagebuild.errors import BuildError
from imagebuild.host.acceleration import accelerator
from imagebuild.host.cache import Cache
from imagebuild.host.guest import Drive, appliance
from imagebuild.rootfs.image import examine
from tests import images
from tests.images import Filesystem, Link
from tests.integration.assemble.sources import trees
from tests.integration.assemble.sources.ext_reader import read_ext

pytestmark = [pytest.mark.integration, pytest.mark.needs("guestfs", "namespace", "qemu-img")]

BOOT_UUID, SRV_UUID = images.BOOT_UUID, "22222222-3333-4333-8444-555555555555"
FSTAB = f"""\
UUID={images.ROOT_UUID} / ext4 defaults 0 1
LABEL=boot /boot ext3 defaults 0 2
/dev/xvda3 /srv ext4 defaults 0 2
/dev/sdb /mnt auto nofail 0 2
/swapfile none swap sw 0 0
""".encode()


def old_system() -> list[Filesystem]:
    """/boot, / and /srv on partitions of their own, with what a machine that ran leaves behind."""
    boot: dict[str, bytes | Link] = {
        name.removeprefix("boot/"): content for name, content in trees.boot_files().items() if "boot/" in name
    }
    boot |= {"grub/grub.cfg": b"another loader's", "grub/menu.lst": Link("./grub.conf"), "boot": Link(".")}
    root: dict[str, bytes | Link] = {
        "etc/os-release": b"ID=debian\n", "etc/fstab": FSTAB, "etc/machine-id": b"0123456789abcdef\n",
        "etc/mtab": b"/dev/sda1 / ext4\n", "swapfile": b"swap" * 1000, "tmp/rubbish": b"x", "boot/hidden": b"x",
        "srv/hidden": b"x", "mnt/keep": b"", "proc/keep": b"x", "run/x": b"", "dev/keep": b"",
    }  # fmt: skip
    return [
        Filesystem(boot, type="ext3", uuid=BOOT_UUID, label="boot", features=""),
        Filesystem(root, features="", size_bytes=32 * 2**20),
        Filesystem({"data/file": b"of srv"}, uuid=SRV_UUID, features=""),
    ]


def convert(raw: Path, target: Path, kind: str, *options: str) -> Path:
    subprocess.run(["qemu-img", "convert", "-O", kind, *options, raw, target], check=True)
    return target


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty cache but for what this machine can do, which takes a while to find out."""
    folder = tmp_path_factory.mktemp("cache")
    accelerator(Cache())
    shutil.copytree(Cache().root / "acceleration", folder / "acceleration")
    return folder


def test_a_machine_of_three_partitions_in_qcow2(tmp_path: Path, cache: Path) -> None:
    raw = images.make_partitioned(tmp_path / "old.raw", *old_system())
    convert(raw, tmp_path / "old.qcow2", "qcow2", "-c")
    recipe = trees.write_recipe(tmp_path, "{image: old.qcow2}", "system: {hostname: new}")
    before = (tmp_path / "old.qcow2").read_bytes()
    assert trees.build(recipe, tmp_path / "image.raw", cache) == ""
    assert (tmp_path / "old.qcow2").read_bytes() == before
    found = {name: entry.content for name, entry in read_ext(tmp_path / "image.raw").items()}
    assert found[f"boot/vmlinuz-{images.RELEASE}".encode()] == images.kernel()
    assert found[b"srv/data/file"] == b"of srv"
    assert found[b"etc/hostname"] == b"new\n"
    assert b" / " in found[b"etc/fstab"]
    assert images.ROOT_UUID.encode() not in found[b"etc/fstab"]
    assert found[b"etc/machine-id"] == b""
    assert found[b"boot/grub/menu.lst"].startswith(b"default 0")
    gone = {
        b"boot/grub/grub.cfg",
        b"etc/mtab",
        b"swapfile",
        b"tmp/rubbish",
        b"boot/hidden",
        b"srv/hidden",
        b"proc/keep",
    }
    assert gone.isdisjoint(found)
    assert {b"mnt/keep", b"dev/keep", b"tmp", b"proc", b"run"} <= set(found)


@pytest.mark.parametrize("kind", ["raw", "vmdk"])
def test_an_ami_dump_without_partitions(kind: str, tmp_path: Path, cache: Path) -> None:
    tree = images.tree(fstab=b"/dev/sda1 / ext3 defaults 0 1\n/dev/sda2 /mnt auto defaults 0 0\n")
    raw = images.make_image(tmp_path / "dump", Filesystem({**tree, **trees.boot_files()}, type="ext3", features=""))
    image = raw if kind == "raw" else convert(raw, tmp_path / "dump.vmdk", kind, "-o", "subformat=streamOptimized")
    recipe = trees.write_recipe(tmp_path, f"{{image: {image.name}}}")
    assert trees.build(recipe, tmp_path / "image.raw", cache) == ""
    assert read_ext(tmp_path / "image.raw")[b"etc/hostname"].content == b"test\n"


def make_lvm(raw: Path) -> None:
    """/boot on a partition, named by its partition UUID; root and /srv on logical volumes; by a kernel and lvm2."""
    boot, _root, _srv = old_system()
    physical = Filesystem(None, type="raw", raw=b"", size_bytes=96 * 2**20, partition_type="8e")
    images.make_partitioned(raw, boot, physical)
    fstab = b"/dev/mapper/vg--0-lv--root / ext4 x\n/dev/vg-0/srv /srv ext4 x\nPARTUUID=12345678-01 /boot ext3 x\n"
    with appliance([Drive(raw)], acceleration=accelerator(Cache()), log=lambda _line: None) as guest:
        guest.call("pvcreate", "/dev/sda2")
        guest.call("vgcreate", "vg-0", ["/dev/sda2"])
        for name in ("lv-root", "srv"):
            guest.call("lvcreate", name, "vg-0", 32)
            guest.call("mkfs", "ext4", f"/dev/vg-0/{name}")
        guest.call("mount", "/dev/vg-0/srv", "/")
        guest.call("write", "/file", b"of srv")
        guest.call("umount", "/")
        guest.call("mount", "/dev/vg-0/lv-root", "/")
        for folder in ("boot", "etc", "srv", "dev", "proc", "run", "tmp"):
            guest.call("mkdir", f"/{folder}")
        guest.call("write", "/etc/fstab", fstab)
        guest.call("write", "/etc/os-release", b"ID=debian\n")
        guest.call("umount", "/")


def test_a_root_on_lvm(tmp_path: Path, cache: Path) -> None:
    make_lvm(tmp_path / "old.raw")
    recipe = trees.write_recipe(tmp_path, "{image: old.raw}")
    assert trees.build(recipe, tmp_path / "image.raw", cache) == ""
    found = read_ext(tmp_path / "image.raw")
    assert {b"etc/os-release", b"srv/file", f"boot/vmlinuz-{images.RELEASE}".encode()} <= set(found)


def test_two_roots_want_a_word_from_the_recipe(tmp_path: Path, cache: Path) -> None:
    tree = Filesystem({**images.tree(fstab=b""), **trees.boot_files(), "which": b"first"}, features="")
    second = {**images.tree(fstab=b""), **trees.boot_files(), "which": b"second"}
    other = dataclasses.replace(tree, uuid=BOOT_UUID, files=second)
    images.make_partitioned(tmp_path / "old.raw", tree, other)
    recipe = trees.write_recipe(tmp_path, "{image: old.raw}")
    complaint = trees.build(recipe, tmp_path / "image.raw", cache)
    assert "several filesystems of old.raw look like a root: /dev/sda1, /dev/sda2" in complaint
    trees.write_recipe(tmp_path, "{image: {path: old.raw, root: /dev/sda2}}")
    assert trees.build(recipe, tmp_path / "image.raw", cache) == ""
    assert read_ext(tmp_path / "image.raw")[b"which"].content == b"second"


def test_images_that_are_only_a_part(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.write_bytes(bytes(2**20))
    words = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", "/etc/passwd", "-F", "raw", str(tmp_path / "backed")]
    subprocess.run(words, check=True)
    convert(raw, tmp_path / "flat.vmdk", "vmdk", "-o", "subformat=monolithicFlat")
    convert(raw, tmp_path / "old.vdi", "vdi")
    for name, words_ in (
        ("backed", "only a part of an image: it names another file"),
        ("flat.vmdk", "only a part of an image"),
        ("old.vdi", "a vdi image"),
    ):
        with pytest.raises(BuildError) as caught:
            examine(tmp_path / name)
        assert words_ in caught.value.brief
        assert "qemu-img convert" in caught.value.resolution
