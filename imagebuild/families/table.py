"""What the families of distributions do differently: the names of kernels and initrds, the tools, grub.conf. All data.

Sources: initramfs-tools' mkinitramfs(8) and Debian's kernel packages; dracut(8); the mkinitrd of Red Hat Enterprise
Linux 5 and of SUSE (mkinitrd(8) each); grubby(8); the file layout of the kernel packages of each release.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from imagebuild.vocabulary import InitrdTool


@dataclass(frozen=True, slots=True)
class Family:
    """`ids`: what os-release calls its members (ID, ID_LIKE). `initrd`: the name of an initrd, by the tool's.

    `grub_conf`: its tools write kernels into /boot/grub/grub.conf, with menu.lst a link to it: imagebuild makes
    grub.conf the link, so that both names lead to the one menu. `advice`: what gives the tree a tool for initrds.
    """

    name: str
    ids: tuple[str, ...]
    initrd: Mapping[InitrdTool, str]
    grub_conf: bool
    advice: str


_DEBIAN = {"initramfs-tools": "/boot/initrd.img-{}", "dracut": "/boot/initrd.img-{}"}
_RED_HAT = {"dracut": "/boot/initramfs-{}.img", "mkinitrd-redhat": "/boot/initrd-{}.img"}
_SUSE = {"dracut": "/boot/initrd-{}", "mkinitrd-suse": "/boot/initrd-{}"}


def _family(name: str, ids: str, initrd: Mapping[str, str], *, grub_conf: bool, advice: str) -> Family:
    return Family(name, tuple(ids.split()), initrd, grub_conf, advice)  # type: ignore[arg-type]  # keys are InitrdTools


FAMILIES = (
    _family("debian", "debian", _DEBIAN, grub_conf=False, advice="initramfs-tools, and lvm2 for a root on LVM"),
    _family("ubuntu", "ubuntu", _DEBIAN, grub_conf=False, advice="initramfs-tools, and lvm2 for a root on LVM"),
    _family("fedora", "fedora", _RED_HAT, grub_conf=True, advice="dracut, and lvm2 for a root on LVM"),
    _family("centos", "centos", _RED_HAT, grub_conf=True, advice="dracut (release 5: mkinitrd), and lvm2 for LVM"),
    _family("oracle", "ol", _RED_HAT, grub_conf=True, advice="dracut (release 5: mkinitrd), and lvm2 for LVM"),
    _family("rhel", "rhel", _RED_HAT, grub_conf=True, advice="dracut (release 5: mkinitrd), and lvm2 for LVM"),
    _family("opensuse", "opensuse opensuse-leap opensuse-tumbleweed", _SUSE, grub_conf=False,
            advice="dracut (before 13.2: mkinitrd), and lvm2 for LVM"),
    _family("suse", "sles sled sle_hpc suse", _SUSE, grub_conf=False,
            advice="dracut (before 12: mkinitrd), and lvm2 for LVM"),
)  # fmt: skip
UNKNOWN = _family("unknown", "", {**_DEBIAN, "dracut": "/boot/initramfs-{}.img"}, grub_conf=False,
                  advice="initramfs-tools, dracut or mkinitrd")  # fmt: skip

# Which tool a tree has, by its program: the first that is there. SUSE and RHEL 6 keep a program called mkinitrd that
# only calls dracut, so dracut comes first.
TOOLS: tuple[tuple[str, InitrdTool], ...] = (
    ("usr/sbin/mkinitramfs", "initramfs-tools"),
    ("usr/bin/dracut", "dracut"),
    ("usr/sbin/dracut", "dracut"),
    ("sbin/dracut", "dracut"),
    ("lib/mkinitrd/scripts", "mkinitrd-suse"),
    ("sbin/mkinitrd", "mkinitrd-redhat"),
)

# Files that name the release, for trees from before os-release (2012), most specific first; and words in them.
RELEASE_FILES = (
    "etc/os-release", "usr/lib/os-release", "etc/lsb-release", "etc/oracle-release", "etc/enterprise-release",
    "etc/fedora-release", "etc/centos-release", "etc/SuSE-release", "etc/redhat-release", "etc/debian_version",
)  # fmt: skip
_WORDS = (
    (r"DISTRIB_ID=Ubuntu", "ubuntu"),
    (r"Oracle Linux|Enterprise Linux Enterprise Linux", "oracle"),
    (r"Fedora", "fedora"),
    (r"CentOS", "centos"),
    (r"Red Hat", "rhel"),
    (r"openSUSE", "opensuse"),
    (r"SUSE Linux", "suse"),
)


def family_name(texts: Mapping[str, str]) -> str:
    """The family of a tree, from the RELEASE_FILES that it has; "unknown" for any other."""
    for path in RELEASE_FILES[:2]:
        if path in texts:
            words = [word for key in ("ID", "ID_LIKE") for word in _value(texts[path], key).split()]
            known = (family.name for word in words for family in FAMILIES if word in family.ids)
            return next(known, "unknown")
    for path in RELEASE_FILES[2:]:
        for pattern, name in _WORDS:
            if re.search(pattern, texts.get(path, "")):
                return name
    return "debian" if "etc/debian_version" in texts else "unknown"


def _value(os_release: str, key: str) -> str:
    found = re.search(rf"^{key}=[\"']?([^\"'\n]*)", os_release, re.M)
    return found[1] if found else ""


def conventions(name: str) -> Family:
    """The family by its name."""
    return next((family for family in FAMILIES if family.name == name), UNKNOWN)


def initrd_path(family: str, tool: InitrdTool, version: str) -> str:
    """Where this family looks for the kernel's initrd, when `tool` makes it."""
    known = conventions(family)
    return known.initrd.get(tool, UNKNOWN.initrd.get(tool, "/boot/initrd-{}")).format(version)
