"""The check of the day after: a menu that names a versioned kernel whose package may go, and that nothing maintains.

Sources: dpkg-query(1), --listfiles, for /var/lib/dpkg/info; apt-mark(8) and apt's extended_states; apt.conf(5),
APT::NeverAutoRemove; dpkg(1) on the state "hold"; pv-grub-menu 1.3 (Debian 12); grubby(8), which writes grub.conf;
dnf.conf(5), installonly_limit, whose default removes the oldest kernel when a fourth comes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from imagebuild.formats.text import excerpt
from imagebuild.image.boot_files import FileAt
from imagebuild.image.readers import ReadError
from imagebuild.image.root_tree import RootTree
from imagebuild.verify.init_checks import mounts_of
from imagebuild.verify.view import Finding, View, passed, skipped, warned

_MAINTAINERS = {
    "/etc/kernel/postinst.d/zz-imagebuild-menu": "imagebuild's program",
    "/etc/kernel/install.d/95-imagebuild-menu.install": "imagebuild's program",
    "/etc/kernel/postinst.d/pv-grub-menu": "pv-grub-menu",
}
_GRUBBY, _GRUB_CONF = ("/sbin/grubby", "/usr/sbin/grubby"), "/boot/grub/grub.conf"
_RPM_DATABASES = ("/usr/lib/sysimage/rpm", "/var/lib/rpm")
_DPKG_LISTS, _DPKG_STATUS = "/var/lib/dpkg/info", "/var/lib/dpkg/status"
_AUTOMATIC, _SETTINGS = "/var/lib/apt/extended_states", "/etc/apt/apt.conf.d"
_VERSIONED = re.compile(r"vmlinu[zx]-\d\S*")
_NEVER = re.compile(r"NeverAutoRemove\s*\{([^{}]{0,100000})\}")
# A pattern that is one name, as imagebuild and apt itself write them; others are not run: they come from the image.
_NAME = re.compile(r"\^((?:[A-Za-z0-9]|\\?[.+-])+)\$")
_MOST_BYTES = 64 * 2**20
_MOST_FILES = 200


def kernel_updates(view: View) -> Iterator[Finding]:
    """Packages of the kernels that the menu names stay installed, or something writes the menu when kernels change."""
    root = view.root
    if root is None or view.subject.reader(root) is None:
        yield skipped("the root filesystem is not known, or cannot be read here")
        return
    tree = RootTree(view.subject, root, mounts_of(view, root))
    if maintainer := _maintainer(tree):
        yield passed(f"the menu is maintained in the image, by {maintainer}")
        return
    files = [reached.kernel for reached in view.entries if isinstance(reached.kernel, FileAt)]
    names = dict.fromkeys(PurePosixPath(file.path).name for file in files)
    versioned = [name for name in names if _VERSIONED.fullmatch(name)]
    if not versioned:
        yield passed("the menu names no kernel of a package")
    for name in versioned:
        yield _judge(tree, name)


def _maintainer(tree: RootTree) -> str:
    found = next((title for path, title in _MAINTAINERS.items() if tree.find(path) is not None), "")
    if not found and tree.find(_GRUB_CONF) is not None and any(tree.find(path) is not None for path in _GRUBBY):
        found = "grubby"
    return found


def _judge(tree: RootTree, name: str) -> Finding:
    shown = excerpt(name, 200)
    package = _package(tree, name)
    if package is None and any(tree.names(path) for path in _RPM_DATABASES):
        return warned(
            f"{shown}: dnf and yum remove the oldest kernel when newer ones come, and nothing maintains the menu"
        )
    if package is None:
        return passed(f"{shown}: no package of the image has it")
    if reason := _stays(tree, package):
        return passed(f"{shown}: its package {excerpt(package)} {reason}")
    return warned(
        f"{shown}: apt removes its package {excerpt(package)} after newer kernels have come, and nothing maintains the "
        "menu, which goes on naming it; use boot.menu: maintained, or fixed"
    )


def _package(tree: RootTree, name: str) -> str | None:
    """The Debian package that has /boot/NAME; its name holds the kernel's version."""
    version = name.partition("-")[2]
    lists = [found for found in tree.names(_DPKG_LISTS) if found.endswith(".list") and version in found]
    for found in sorted(lists)[:_MOST_FILES]:
        if f"/boot/{name}" in _text(tree, f"{_DPKG_LISTS}/{found}").splitlines():
            return found.removesuffix(".list").partition(":")[0]
    return None


def _stays(tree: RootTree, package: str) -> str:
    """Why apt leaves the package alone; empty: it does not."""
    if _stanza(_text(tree, _DPKG_STATUS), package).get("Status", "").startswith("hold "):
        return "is held"
    if _stanza(_text(tree, _AUTOMATIC), package).get("Auto-Installed") != "1":
        return "was not installed automatically"
    for name in sorted(tree.names(_SETTINGS))[:_MOST_FILES]:
        for block in _NEVER.findall(_text(tree, f"{_SETTINGS}/{name}")):
            matches = map(_NAME.fullmatch, re.findall(r'"([^"]*)"', block))
            if any(match and match[1].replace("\\", "") == package for match in matches):
                return "is never removed automatically"
    return ""


def _stanza(text: str, package: str) -> dict[str, str]:
    """The fields of the package's paragraph (deb822(5)), those of one line."""
    begin = f"\n{text}".find(f"\nPackage: {package}\n")
    if begin < 0:
        return {}
    lines = text[begin:].split("\n\n", 1)[0].splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines if line[:1].strip())}


def _text(tree: RootTree, path: str) -> str:
    found = tree.find(path)
    if found is None:
        return ""
    try:
        return tree.read(found, _MOST_BYTES).decode("utf-8", "replace")
    except ReadError:
        return ""
