"""Small trees that imitate each family's files: release file, kernel, initrd, tools, as its packages lay them."""

from __future__ import annotations

import gzip
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

from tests import images

Content = bytes | images.Link | None  # None is a folder
_CONFIG = b"CONFIG_XEN=y\nCONFIG_XEN_BLKDEV_FRONTEND=m\nCONFIG_EXT4_FS=m\n"


@dataclass(frozen=True)
class FamilyTree:
    """`kernel`, `initrd`: the paths that the menu must name. `tool`: what makes an initrd there."""

    family: str
    version: str
    files: dict[str, Content]
    kernel: str
    initrd: str
    tool: str | None


def modules(version: str, *names: str, prefix: str = "lib/modules") -> dict[str, Content]:
    return {f"{prefix}/{version}/kernel/drivers/{name}.ko": b"module" for name in names}


def _initrd(version: str, *names: str) -> bytes:
    return images.initrd(release=version, modules=names)


GOOD = ("xen-blkfront", "ext4", "virtio_blk", "virtio_pci")


def debian() -> FamilyTree:
    version = "6.1.0-56-amd64"
    files: dict[str, Content] = {
        "etc/os-release": images.Link("../usr/lib/os-release"),
        "usr/lib/os-release": b'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n',
        "etc/debian_version": b"12.1\n",
        f"boot/vmlinuz-{version}": images.kernel(release=version),
        f"boot/initrd.img-{version}": _initrd(version, *GOOD),
        f"boot/config-{version}": _CONFIG.replace(b"XEN=y", b"XEN=y\nCONFIG_XEN_PV=y"),
        "usr/sbin/mkinitramfs": b"#!/bin/sh\n",
        **modules(version, *GOOD, prefix="usr/lib/modules"),
    }
    initrd = f"/boot/initrd.img-{version}"
    return FamilyTree("debian", version, files, f"/boot/vmlinuz-{version}", initrd, "initramfs-tools")


def ubuntu() -> FamilyTree:
    """Drivers built in, payload zstd (22.04): needs boot.repack."""
    version = "5.15.0-25-generic"
    files: dict[str, Content] = {
        "etc/os-release": b"ID=ubuntu\nID_LIKE=debian\n",
        "etc/lsb-release": b"DISTRIB_ID=Ubuntu\n",
        f"boot/vmlinuz-{version}": images.kernel(release=version, payload=b"\x28\xb5\x2f\xfd" + images.noise(4000)),
        f"lib/modules/{version}/modules.builtin": b"".join(f"kernel/x/{name}.ko\n".encode() for name in GOOD),
        "usr/sbin/mkinitramfs": b"#!/bin/sh\n",
    }
    initrd = f"/boot/initrd.img-{version}"
    return FamilyTree("ubuntu", version, files, f"/boot/vmlinuz-{version}", initrd, "initramfs-tools")


def fedora() -> FamilyTree:
    """The kernel only below /lib/modules, as the package has it before kernel-install ran; and a rescue kernel."""
    version = "6.1.18-200.fc37.x86_64"
    files: dict[str, Content] = {
        "etc/os-release": images.Link("../usr/lib/os-release"),
        "usr/lib/os-release": b"ID=fedora\nVERSION_ID=37\n",
        "lib": images.Link("usr/lib"),
        f"usr/lib/modules/{version}/vmlinuz": images.kernel(release=version),
        f"usr/lib/modules/{version}/config": _CONFIG.replace(b"XEN=y", b"XEN=y\nCONFIG_XEN_PV=y"),
        "usr/bin/dracut": b"#!/bin/sh\n",
        **modules(version, *GOOD, prefix="usr/lib/modules"),
    }
    initrd = f"/boot/initramfs-{version}.img"
    return FamilyTree("fedora", version, files, f"/boot/vmlinuz-{version}", initrd, "dracut")


def rhel_6(family: str = "rhel", release: bytes = b"Red Hat Enterprise Linux Server release 6.4\n") -> FamilyTree:
    version = "2.6.32-358.el6.x86_64"
    files: dict[str, Content] = {
        "etc/redhat-release": release,
        f"boot/vmlinuz-{version}": images.kernel(release=version),
        f"boot/initramfs-{version}.img": _initrd(version, "ext4"),
        f"boot/config-{version}": _CONFIG,
        "boot/grub/grub.conf": b"default=0\n",
        "boot/grub/menu.lst": images.Link("./grub.conf"),
        "sbin/dracut": b"#!/bin/sh\n",
        "sbin/mkinitrd": b"#!/bin/sh\nexec dracut\n",
        **modules(version, *GOOD),
    }
    initrd = f"/boot/initramfs-{version}.img"
    return FamilyTree(family, version, files, f"/boot/vmlinuz-{version}", initrd, "dracut")


def centos_6() -> FamilyTree:
    return rhel_6("centos", b"CentOS release 6.4 (Final)\n")


def oracle_6() -> FamilyTree:
    tree = rhel_6("oracle")
    tree.files["etc/oracle-release"] = b"Oracle Linux Server release 6.4\n"
    return tree


def rhel_5() -> FamilyTree:
    """The classic Xen kernel: an ELF file in gzip, xenblk for xen-blkfront, no modules.builtin."""
    version = "2.6.18-348.el5xen"
    elf = b"\x7fELF\2\1\1" + bytes(9) + b"\2\0\x3e\0" + b"Linux version 2.6.18-348.el5xen " + images.noise(2000)
    files: dict[str, Content] = {
        "etc/redhat-release": b"Red Hat Enterprise Linux Server release 5.9 (Tikanga)\n",
        f"boot/vmlinuz-{version}": gzip.compress(elf),
        f"boot/initrd-{version}.img": _initrd(version, "ext3"),
        f"boot/initrd-{version}kdump.img": _initrd(version, "ext3"),
        f"boot/config-{version}": b"CONFIG_X86_64_XEN=y\nCONFIG_XEN=y\nCONFIG_XEN_BLKDEV_FRONTEND=m\n",
        "boot/grub/grub.conf": b"default=0\n",
        "boot/grub/menu.lst": images.Link("./grub.conf"),
        "etc/mtab": b"/dev/sda1 / ext3 rw 0 0\n",
        "sbin/mkinitrd": b"#!/bin/bash\n",
        **modules(version, "xenblk", "ext3"),
    }
    initrd = f"/boot/initrd-{version}.img"
    return FamilyTree("rhel", version, files, f"/boot/vmlinuz-{version}", initrd, "mkinitrd-redhat")


def opensuse_11() -> FamilyTree:
    """The user guide's own example: kernel-ec2 has a vmlinux in gzip, and drivers built in."""
    version = "2.6.35-rc4-8-ec2"
    elf = b"\x7fELF\2\1\1" + bytes(9) + b"\2\0\x3e\0" + f"Linux version {version} ".encode() + images.noise(2000)
    files: dict[str, Content] = {
        "etc/SuSE-release": b"openSUSE 11.2 (x86_64)\nVERSION = 11.2\n",
        f"boot/vmlinux-{version}.gz": gzip.compress(elf),
        f"boot/initrd-{version}": _initrd(version, "ext3"),
        f"boot/config-{version}": b"CONFIG_X86_64_XEN=y\nCONFIG_XEN=y\nCONFIG_XEN_BLKDEV_FRONTEND=y\n",
        "boot/initrd": images.Link(f"initrd-{version}"),
        "lib/mkinitrd/scripts": None,
        "sbin/mkinitrd": b"#!/bin/bash\n",
        **modules(version, "ext3"),
    }
    kernel, initrd = f"/boot/vmlinux-{version}.gz", f"/boot/initrd-{version}"
    return FamilyTree("opensuse", version, files, kernel, initrd, "mkinitrd-suse")


def sles_15() -> FamilyTree:
    version = "5.14.21-150500.53-default"
    files: dict[str, Content] = {
        "etc/os-release": b'ID="sles"\nID_LIKE="suse"\n',
        f"boot/vmlinuz-{version}": images.kernel(release=version),
        f"boot/vmlinux-{version}.gz": gzip.compress(b"\x7fELF\2\1\1" + bytes(9) + b"\2\0\x3e\0" + bytes(100)),
        f"boot/initrd-{version}": _initrd(version, *GOOD),
        "usr/bin/dracut": b"#!/bin/sh\n",
        "sbin/mkinitrd": b"#!/bin/sh\nexec dracut\n",
        **modules(version, *GOOD),
    }
    initrd = f"/boot/initrd-{version}"
    return FamilyTree("suse", version, files, f"/boot/vmlinuz-{version}", initrd, "dracut")


FAMILY_TREES = (debian, ubuntu, fedora, rhel_6, centos_6, oracle_6, rhel_5, opensuse_11, sles_15)


def write_tar(path: Path, files: dict[str, Content]) -> Path:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(f"./{name}")
            if content is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            elif isinstance(content, images.Link):
                info.type, info.linkname = tarfile.SYMTYPE, content.target
            else:
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content if isinstance(content, bytes) else b""))
    return path
