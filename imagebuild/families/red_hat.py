"""Fedora, Red Hat Enterprise Linux, CentOS and Oracle Linux: dracut, and the mkinitrd of release 5.

Sources: dracut(8), dracut.conf(5); mkinitrd(8) of Red Hat Enterprise Linux 5; grubby(8).
"""

from __future__ import annotations

from collections.abc import Mapping

from imagebuild.families.model import Family, Tool, Wanted
from imagebuild.vocabulary import InitrdTool

_DRACUT = "dracut, and lvm2 for a root on LVM"
_ADVICE = "dracut (release 5: mkinitrd), and lvm2 for LVM"
# Release 5's mkinitrd loads these before it looks for disks.
_DISK_DRIVERS = ("xenblk", "xen-blkfront", "virtio_blk", "virtio_pci")


def _family(name: str, identifier: str, words: str, advice: str = _ADVICE) -> Family:
    initrd: Mapping[InitrdTool, str] = {"dracut": "/boot/initramfs-{}.img", "mkinitrd-redhat": "/boot/initrd-{}.img"}
    return Family(name, (identifier,), initrd, advice, words, grub_conf=True)


ORACLE = _family("oracle", "ol", r"Oracle Linux|Enterprise Linux Enterprise Linux")
FEDORA = _family("fedora", "fedora", r"Fedora", _DRACUT)
CENTOS = _family("centos", "centos", r"CentOS")
RHEL = _family("rhel", "rhel", r"Red Hat")


def _configure_dracut(wanted: Wanted, _before: str) -> str:
    lvm = 'add_dracutmodules+=" lvm "\n' if wanted.lvm else ""
    drivers = " ".join(wanted.modules)
    return f'# what the image\'s root needs (imagebuild)\nhostonly="no"\nadd_drivers+=" {drivers} "\n{lvm}'


def _argv_of_dracut(wanted: Wanted) -> list[str]:
    """The rest is in its configuration: dracut 004 (RHEL 6) knows fewer options than today's."""
    return ["dracut", "--force", wanted.path, wanted.kernel_version]


def _configure_mkinitrd(wanted: Wanted, before: str) -> str:
    drivers = [name for name in wanted.modules if name in _DISK_DRIVERS]
    aliases = [f"alias scsi_hostadapter{number or ''} {name}" for number, name in enumerate(drivers)]
    others = [line for line in before.splitlines() if not line.startswith("alias scsi_hostadapter")]
    return "\n".join([*others, *aliases]) + "\n"


def _argv_of_mkinitrd(wanted: Wanted) -> list[str]:
    argv = ["mkinitrd", "-f", *(["--force-lvm-probe"] if wanted.lvm else [])]
    argv += [f"--{'preload' if name in _DISK_DRIVERS else 'with'}={name}" for name in wanted.modules]
    return [*argv, wanted.path, wanted.kernel_version]


DRACUT = Tool(
    "dracut", ("usr/bin/dracut", "usr/sbin/dracut", "sbin/dracut"), "/etc/dracut.conf.d/99-imagebuild.conf",
    _configure_dracut, _argv_of_dracut,
)  # fmt: skip
MKINITRD = Tool("mkinitrd-redhat", ("sbin/mkinitrd",), "/etc/modprobe.conf", _configure_mkinitrd, _argv_of_mkinitrd)
