"""Debian and Ubuntu. Sources: initramfs-tools' mkinitramfs(8) and initramfs-tools(7), Debian's kernel packages."""

from __future__ import annotations

from imagebuild.families.model import Family, Tool, Wanted

_INITRD = "/boot/initrd.img-{}"
_ADVICE = "initramfs-tools, and lvm2 for a root on LVM"

DEBIAN = Family(
    "debian", ("debian",), {"initramfs-tools": _INITRD, "dracut": _INITRD}, _ADVICE, debian_packages=True
)  # fmt: skip
UBUNTU = Family("ubuntu", ("ubuntu",), DEBIAN.initrd, _ADVICE, r"DISTRIB_ID=Ubuntu", debian_packages=True)


def _configure(wanted: Wanted, before: str) -> str:
    more = [name for name in wanted.modules if name not in before.split()]
    lines = "".join(f"{name}\n" for name in more)
    return before + (f"# what the image's root needs (imagebuild)\n{lines}" if more else "")


def _argv(wanted: Wanted) -> list[str]:
    return ["mkinitramfs", "-o", wanted.path, wanted.kernel_version]


INITRAMFS_TOOLS = Tool(
    "initramfs-tools", ("usr/sbin/mkinitramfs",), "/etc/initramfs-tools/modules", _configure, _argv
)  # fmt: skip
