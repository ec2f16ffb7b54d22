"""Kernels from packages: unpacked into the tree, their modules indexed, their initrds made there, repacked."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest

from imagebuild.formats.bzimage import read_kernel
from imagebuild.formats.initrd import holds_module, read_initrd
from imagebuild.host.cache import Cache
from imagebuild.rootfs.package_file import opened
from tests import images
from tests.integration.assemble.sources import trees
from tests.integration.assemble.sources.cloud_kernel import build_cloud_image, download_cloud_kernel
from tests.integration.assemble.sources.ext_reader import debugfs, read_ext
from tests.unit.rootfs.package_files import Files, rpm

pytestmark = [pytest.mark.integration, pytest.mark.needs("namespace", "mke2fs", "debugfs")]
RPM_VERSION = "6.1.0-7.fc37.x86_64"


def rpm_from(package: Path) -> bytes:
    """As newer rpm packages are: the kernel below /lib/modules, and of its modules the few that a test needs."""
    files: Files = {}
    needed = ("blkfront", "virtio", "mbcache", "jbd2", "crc", "libata", "scsi", "block")
    with package.open("rb") as file, opened(file, package.name) as members:
        for member in members:
            name = member.name.removeprefix("./").removeprefix("usr/")  # Debian 13's packages have /usr/lib/modules
            folder = f"lib/modules/{RPM_VERSION}"
            if name.startswith("boot/vmlinuz-"):
                files[f"{folder}/vmlinuz"] = members.open(member).read()
            elif name.startswith("boot/config-"):
                files[f"{folder}/config"] = members.open(member).read()
            elif member.type == tarfile.REGTYPE and name.startswith("lib/modules/"):
                rest = name.split("/", 3)[3]
                if ".ko" not in rest or any(word in rest for word in needed):
                    files[f"{folder}/{rest}"] = members.open(member).read()
    return rpm(files)


@pytest.mark.needs("mmdebstrap", "apt-get")
def test_a_deb_and_an_rpm_in_a_debian_tree(tmp_path: Path, user_cache: Cache) -> None:
    (tmp_path / "download").mkdir()
    (tmp_path / "kernel.rpm").write_bytes(rpm_from(download_cloud_kernel(tmp_path / "download")))
    image, plan = build_cloud_image(tmp_path, user_cache, "    - {rpm: kernel.rpm}\n    - {version: '*'}\n")
    by_deb, by_rpm, _own = plan.entries
    assert (by_rpm.kernel, by_rpm.initrd) == (f"/boot/vmlinuz-{RPM_VERSION}", f"/boot/initrd.img-{RPM_VERSION}")
    for entry in (by_deb, by_rpm):
        facts = read_kernel(debugfs(image, f"cat {entry.kernel}"))
        assert facts is not None
        assert (facts.compression, facts.complete) == ("gzip", True)
        assert entry.initrd
        initrd = read_initrd(debugfs(image, f"cat {entry.initrd}"))
        assert all(holds_module(initrd, name) for name in ("xen-blkfront", "virtio_blk", "ext4")), entry
    version = by_deb.kernel.removeprefix("/boot/vmlinuz-")
    assert b"xen-blkfront" in debugfs(image, f"cat /usr/lib/modules/{version}/modules.dep")
    assert b"Type: symlink" in debugfs(image, "stat /lib"), "the package went through the link, not over it"
    subprocess.run(["/sbin/e2fsck", "-fn", str(image)], check=True, capture_output=True)


def test_a_kernel_file_with_its_initrd(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "rootfs.tar", "w") as archive:
        trees.add_boot_files(archive)
    (tmp_path / "vmlinuz-own").write_bytes(images.kernel(release="6.6.6"))
    (tmp_path / "initrd-own").write_bytes(images.initrd(release="6.6.6"))
    boot = "boot: {fallback: 1, kernels: [{kernel: vmlinuz-own, initrd: initrd-own, title: Own}, {version: '*'}]}"
    recipe = trees.write_recipe(tmp_path, "{tar: rootfs.tar}", boot)
    assert trees.build(recipe, tmp_path / "image.raw", tmp_path / "cache") == ""
    found = read_ext(tmp_path / "image.raw")
    assert found[b"boot/vmlinuz-own"].content == images.kernel(release="6.6.6")
    assert b"kernel /boot/vmlinuz-own root=" in found[b"boot/grub/menu.lst"].content


@pytest.mark.parametrize(
    ("kernel", "initrd", "words"),
    [
        (b"no kernel", images.initrd(), "vmlinuz-own, initrd-own contains no Linux kernel"),
        (images.kernel()[:-1], images.initrd(), "contains no Linux kernel"),
        (images.kernel(flags=0), images.initrd(), "is a i386 kernel, the image is x86_64"),
        (images.kernel(payload=b"\x02\x21\x4c\x18" + bytes(40)), images.initrd(), "is compressed with lz4"),
        (images.kernel(protocol=(2, 7)), images.initrd(), "contains no Linux kernel"),
        (images.kernel(), b"\x1f\x8b" + bytes(10), "initrd-own is not a readable initrd"),
    ],
)
def test_files_that_cannot_boot_are_refused_before_any_work(
    kernel: bytes, initrd: bytes, words: str, tmp_path: Path
) -> None:
    with tarfile.open(tmp_path / "rootfs.tar", "w") as archive:
        trees.add_boot_files(archive)
    (tmp_path / "vmlinuz-own").write_bytes(kernel)
    (tmp_path / "initrd-own").write_bytes(initrd)
    boot = "boot: {repack: never, kernels: [{kernel: vmlinuz-own, initrd: initrd-own}]}"
    recipe = trees.write_recipe(tmp_path, "{tar: rootfs.tar}", boot)
    complaint = trees.build(recipe, tmp_path / "image.raw", tmp_path / "cache")
    assert words in complaint
    assert not (tmp_path / "image.raw").exists()


def test_what_is_no_package(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "rootfs.tar", "w") as archive:
        trees.add_boot_files(archive)
    (tmp_path / "kernel.deb").write_bytes(b"<html>404 Not Found</html>")
    recipe = trees.write_recipe(tmp_path, "{tar: rootfs.tar}", "boot: {kernels: [{deb: kernel.deb}]}")
    complaint = trees.build(recipe, tmp_path / "image.raw", tmp_path / "cache")
    assert "kernel.deb is neither a .deb nor an .rpm package" in complaint
