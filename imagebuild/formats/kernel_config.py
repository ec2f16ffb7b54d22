"""What a kernel's configuration (/boot/config-VERSION) says about drivers and Xen."""

from __future__ import annotations

import re
from collections.abc import Iterable

# The options of the drivers that an image's disk may need, by the module's name (Linux' Kconfig files).
_DEVICES = {
    "xen-blkfront": "XEN_BLKDEV_FRONTEND", "virtio_blk": "VIRTIO_BLK", "virtio_pci": "VIRTIO_PCI",
    "dm-mod": "BLK_DEV_DM",
}  # fmt: skip
# A PV guest: X86_XEN and X86_64_XEN in the classic Xen kernels (RHEL 5, SUSE 11), XEN_UNPRIVILEGED_GUEST in their
# flavours that can be nothing else; in pvops kernels XEN_PV, which was split off XEN in Linux 4.12 and has depended on
# X86_64 since 5.9 (arch/x86/xen/Kconfig). Before the split XEN itself is the PV guest, and XEN_PVHVM beside it says
# nothing of PV. The other halves of the split stand where XEN_PV could stand.
_CLASSIC = ("X86_XEN", "X86_64_XEN", "XEN_UNPRIVILEGED_GUEST")
_SINCE_THE_SPLIT = re.compile(r"\bCONFIG_XEN_(PV|PV_SMP|PVHVM_SMP|PVHVM_GUEST)\b")
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
    if any(values.get(option) == "y" for option in ("XEN_PV", *_CLASSIC)):
        return True
    return values.get("XEN") == "y" and _SINCE_THE_SPLIT.search(config) is None
