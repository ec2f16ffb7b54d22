"""What a kernel's configuration (/boot/config-VERSION) says about drivers and Xen."""

from __future__ import annotations

import re
from collections.abc import Iterable

# The options of the drivers that an image's disk may need, by the module's name (Linux' Kconfig files).
_DEVICES = {
    "xen-blkfront": "XEN_BLKDEV_FRONTEND", "virtio_blk": "VIRTIO_BLK", "virtio_pci": "VIRTIO_PCI",
    "dm-mod": "BLK_DEV_DM",
}  # fmt: skip
# A PV guest: XEN_PV since Linux 4.13, before it XEN itself; X86_XEN and X86_64_XEN in the classic Xen kernels
# (RHEL 5, SUSE 11), XEN_UNPRIVILEGED_GUEST in their flavours that can be nothing else.
_XEN_PV = ("XEN_PV", "X86_XEN", "X86_64_XEN", "XEN_UNPRIVILEGED_GUEST")
_SET = re.compile(r"^CONFIG_(\w+)=(\S+)$", re.M)


def built_in(config: str, filesystems: Iterable[str]) -> tuple[str, ...]:
    """The drivers that the kernel has built in, by their modules' names: of disks, and of these `filesystems`."""
    values = dict(_SET.findall(config))
    options = _DEVICES | {name: f"{name.upper()}_FS" for name in filesystems}
    return tuple(name for name, option in options.items() if values.get(option) == "y")


def is_xen_pv(config: str) -> bool | None:
    """Whether the kernel can be a Xen PV guest; None when the text is no kernel's configuration."""
    values = dict(_SET.findall(config))
    if not values:
        return None
    if any(values.get(option) == "y" for option in _XEN_PV):
        return True
    knows_xen_pv = re.search(r"CONFIG_XEN_(PV|PVH|PVHVM)\b", config) is not None
    return values.get("XEN") == "y" and not knows_xen_pv
