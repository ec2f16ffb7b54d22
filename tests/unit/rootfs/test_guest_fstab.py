"""An image's own fstab, in the words of the machines that it may have run on."""

from __future__ import annotations

import pytest

from imagebuild.rootfs.guest_fstab import GuestDisk, mounts_of, swap_files

FSTAB = """\
# /etc/fstab
UUID=AB-1   /            ext4  errors=remount-ro 0 1
/dev/sda2   /var/log     auto  defaults
LABEL=boot  /boot        ext3  defaults 0 2
UUID=x      /home        btrfs subvol=@home,compress=zstd 0 0
/dev/sdb1   /with\\040space ext4 noauto 0 0
/srv/a      /mnt/b       none  bind 0 0
proc        /proc        proc  defaults 0 0
tmpfs       /tmp         tmpfs defaults 0 0
server:/x   /net         nfs   defaults 0 0
/dev/sr0    /media/cdrom udf,iso9660 user,noauto 0 0
/swapfile   none         swap  sw 0 0
/dev/sda5   none         swap  sw 0 0
/evil/../x  none         swap  sw 0 0
/dev/sda9   /a/../../b   ext4  defaults 0 0
broken line
"""


def disk(root: str = "/dev/sda1", name: str | None = None, **filesystems: str) -> GuestDisk:
    return GuestDisk(
        filesystems={root: "ext4", "/dev/sda2": "ext4", "/dev/vg-0/lv-root": "xfs", **filesystems},
        uuids={"ab-1": root},
        labels={"boot": "/dev/sda2"},
        partition_uuids={"1234-02": "/dev/sda2"},
        disk=name,
    )


def test_what_is_mounted_parents_first() -> None:
    assert [(mount.device, mount.path, mount.subvolume) for mount in mounts_of(FSTAB)] == [
        ("LABEL=boot", "/boot", None),
        ("UUID=x", "/home", "@home"),
        ("/dev/sda2", "/var/log", None),
    ]
    assert swap_files(FSTAB) == ("/swapfile",)


@pytest.mark.parametrize(
    ("name", "device"),
    [
        ("UUID=AB-1", "/dev/sda1"), ('UUID="ab-1"', "/dev/sda1"), ("LABEL=boot", "/dev/sda2"), ("LABEL=Boot", None),
        ("PARTUUID=1234-02", "/dev/sda2"), ("/dev/disk/by-uuid/AB-1", "/dev/sda1"),
        ("/dev/disk/by-label/boot", "/dev/sda2"), ("/dev/sda2", "/dev/sda2"), ("/dev/vda2", "/dev/sda2"),
        ("/dev/xvda2", "/dev/sda2"), ("/dev/nvme0n1p2", "/dev/sda2"), ("/dev/sdb2", None), ("/dev/sda7", None),
        ("/dev/vg-0/lv-root", "/dev/vg-0/lv-root"), ("/dev/mapper/vg--0-lv--root", "/dev/vg-0/lv-root"),
        ("/dev/mapper/other-lv", None), ("UUID=none", None),
    ],
)  # fmt: skip
def test_devices(name: str, device: str | None) -> None:
    assert disk().device(name) == device


def test_the_disk_is_the_one_that_the_root_was_on() -> None:
    """RHEL 6 in EC2 calls its first disk xvde."""
    assert disk(name="xvde").device("/dev/xvde2") == "/dev/sda2"
    assert disk(name="xvde").device("/dev/xvda2") is None


def test_a_disk_without_partitions_was_sda1() -> None:
    assert disk(root="/dev/sda").device("/dev/sda1") == "/dev/sda"


def test_what_the_system_needs() -> None:
    needed = {mount.path: mount.is_of_the_system() for mount in mounts_of(FSTAB)}
    assert needed == {"/boot": True, "/home": False, "/var/log": True}
