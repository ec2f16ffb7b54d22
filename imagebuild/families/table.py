"""The families of distributions by their names, the tools that make initrds, and which of them a tree is of."""

from __future__ import annotations

import re
from collections.abc import Mapping

from imagebuild.families import debian, red_hat, suse
from imagebuild.families.model import Family, Tool
from imagebuild.vocabulary import InitrdTool

# In the order in which a release file from before os-release is looked through for their words.
FAMILIES = (
    debian.DEBIAN, debian.UBUNTU, red_hat.ORACLE, red_hat.FEDORA, red_hat.CENTOS, red_hat.RHEL, suse.OPENSUSE,
    suse.SUSE,
)  # fmt: skip
UNKNOWN = Family(
    "unknown", (), {**debian.DEBIAN.initrd, "dracut": "/boot/initramfs-{}.img"}, "initramfs-tools, dracut or mkinitrd"
)
# The first that a tree has makes its initrds. SUSE and RHEL 6 keep a program called mkinitrd that only calls dracut, so
# dracut comes first.
INITRD_TOOLS: Mapping[InitrdTool, Tool] = {
    tool.name: tool for tool in (debian.INITRAMFS_TOOLS, red_hat.DRACUT, suse.MKINITRD, red_hat.MKINITRD)
}
TOOLS: tuple[tuple[str, InitrdTool], ...] = tuple(
    (program, tool.name) for tool in INITRD_TOOLS.values() for program in tool.programs
)

# Files that name the release, most specific first: os-release, and those of trees from before it (2012).
RELEASE_FILES = (
    "etc/os-release", "usr/lib/os-release", "etc/lsb-release", "etc/oracle-release", "etc/enterprise-release",
    "etc/fedora-release", "etc/centos-release", "etc/SuSE-release", "etc/redhat-release", "etc/debian_version",
)  # fmt: skip


def family_name(texts: Mapping[str, str]) -> str:
    """The family of a tree, from the RELEASE_FILES that it has; "unknown" for any other."""
    for path in RELEASE_FILES[:2]:
        if path in texts:
            words = [word for key in ("ID", "ID_LIKE") for word in _value(texts[path], key).split()]
            known = (family.name for word in words for family in FAMILIES if word in family.ids)
            return next(known, UNKNOWN.name)
    for path in RELEASE_FILES[2:]:
        for family in FAMILIES:
            if family.release_words and re.search(family.release_words, texts.get(path, "")):
                return family.name
    return debian.DEBIAN.name if "etc/debian_version" in texts else UNKNOWN.name


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
