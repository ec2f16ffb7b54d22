"""The recipes in recipes/, built for real and read back by other tools than those that wrote them."""

from __future__ import annotations

import json
import re

import pytest

from imagebuild.host import command
from imagebuild.host.cache import Cache
from imagebuild.host.guest import Drive, appliance
from imagebuild.plan.disk_vocabulary import MakeExt
from imagebuild.recipe.load import load_recipe
from imagebuild.rootfs.tree import facts_in_cache
from tests.integration.assemble.conftest import RECIPES, Image

pytestmark = [pytest.mark.integration, pytest.mark.needs("mmdebstrap", "guestfs", "namespace")]


def debugfs(image: Image, request: str, offset: int = 0) -> str:
    where = f"{image.path}?offset={offset}" if offset else str(image.path)
    return command.run(["debugfs", "-R", request, where], doing=request)


def test_hd0_is_one_clean_filesystem(hd0: Image) -> None:
    command.run(["e2fsck", "-fn", str(hd0.path)], doing="e2fsck")
    assert "Disklabel type" not in command.attempt(["sfdisk", "--list", str(hd0.path)]).output


def test_hd0_holds_what_the_plan_says(hd0: Image) -> None:
    assert hd0.built.plan.pending == ()
    assert hd0.built.plan.menu in debugfs(hd0, "cat /boot/grub/menu.lst")
    assert hd0.built.plan.fstab in debugfs(hd0, "cat /etc/fstab")


def test_owners_and_modes_are_kept(hd0: Image) -> None:
    assert re.search(r"Mode:\s+0640.*User:\s+0\s+Group:\s+42", debugfs(hd0, "stat /etc/shadow"), re.DOTALL)
    assert re.search(r"Mode:\s+04755", debugfs(hd0, "stat /usr/bin/passwd"))
    assert re.search(r"Mode:\s+01777", debugfs(hd0, "stat /tmp"))


def test_nothing_of_this_machine_is_in_the_tree(hd0: Image) -> None:
    assert "File not found" in debugfs(hd0, "cat /etc/resolv.conf")
    assert "Size: 0" in debugfs(hd0, "stat /etc/machine-id")


def test_what_the_loader_reads_has_no_holes(hd0: Image, lvm: Image) -> None:
    """GRUB 0.97 cannot read a hole: every block up to the end of the file is mapped."""
    for image in (hd0, lvm):
        [step] = [step for step in image.built.plan.disk if isinstance(step, MakeExt) and step.solid]
        offset = step.region.offset_bytes if step.region else 0
        for path in step.solid:
            name = path.removeprefix(step.mountpoint) if step.mountpoint != "/" else path
            found = re.search(r"Size: (\d+)", debugfs(image, f"stat {name}", offset))
            assert found, path
            blocks = debugfs(image, f"blocks {name}", offset).split()
            mapped = [block for block in blocks if block.isdigit() and block != "0"]
            assert len(mapped) >= -(-int(found[1]) // step.block_bytes), path


def test_packages_have_versions_and_digests(hd0: Image) -> None:
    packages = {package.name: package for package in hd0.built.packages.packages}
    assert re.fullmatch(r"[0-9a-f]{64}", packages["linux-image-amd64"].sha256 or "")
    assert all(package.version and package.sha256 for package in packages.values())


def test_the_partition_table_is_the_planned_one(lvm: Image) -> None:
    table = json.loads(command.run(["sfdisk", "--json", str(lvm.path)], doing="sfdisk"))["partitiontable"]
    boot, group = table["partitions"]
    assert (table["label"], boot["start"], boot["type"], boot["bootable"]) == ("dos", 2048, "83", True)
    assert (group["start"], group["type"]) == (boot["start"] + boot["size"], "8e")


def test_logical_volumes_read_back_by_a_kernel(lvm: Image) -> None:
    lines: list[str] = []
    with appliance([Drive(lvm.path, readonly=True)], acceleration="tcg", log=lines.append) as guest:
        assert sorted(guest.call("lvs")) == ["/dev/vg0/root", "/dev/vg0/swap"]
        assert guest.call("list_filesystems") == {
            "/dev/sda1": "ext3",
            "/dev/vg0/root": "ext4",
            "/dev/vg0/swap": "swap",
        }
        guest.call("mount_ro", "/dev/vg0/root", "/")
        guest.call("mount_ro", "/dev/sda1", "/boot")
        assert guest.call("cat", "/etc/fstab") == lvm.built.plan.fstab
        assert guest.call("cat", "/boot/grub/menu.lst") == lvm.built.plan.menu
        # both generations of PV-GRUB find the menu on the boot filesystem
        assert guest.call("readlink", "/boot/boot") == "."
        entry = lvm.built.plan.entries[0]
        assert guest.call("is_file", entry.kernel)
        assert guest.call("is_file", entry.initrd)


def test_an_image_takes_hardly_more_room_than_its_content(hd0: Image, user_cache: Cache) -> None:
    """Holes stay holes on the way into the image, and there are no copies of blocks that nobody owns."""
    loaded = load_recipe(RECIPES / "debian-12-hd0.yaml")
    facts = facts_in_cache(loaded, user_cache)
    assert facts
    assert hd0.path.stat().st_blocks * 512 <= 1.05 * facts.content_bytes
