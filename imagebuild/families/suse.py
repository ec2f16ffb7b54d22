"""openSUSE and SUSE Linux Enterprise, with the mkinitrd that they had before dracut (mkinitrd(8))."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from imagebuild.families.model import Family, Tool, Wanted

OPENSUSE = Family(
    "opensuse", ("opensuse", "opensuse-leap", "opensuse-tumbleweed"),
    {"dracut": "/boot/initrd-{}", "mkinitrd-suse": "/boot/initrd-{}"},
    "dracut (before 13.2: mkinitrd), and lvm2 for LVM", r"openSUSE",
)  # fmt: skip
SUSE = Family(
    "suse", ("sles", "sled", "sle_hpc", "suse"), OPENSUSE.initrd,
    "dracut (before 12: mkinitrd), and lvm2 for LVM", r"SUSE Linux",
)  # fmt: skip


def _configure(wanted: Wanted, before: str) -> str:
    """INITRD_MODULES="…" in /etc/sysconfig/kernel, with these added."""
    found = re.search(r'^INITRD_MODULES="([^"]*)"', before, re.M)
    names = found[1].split() if found else []
    line = f'INITRD_MODULES="{" ".join([*names, *(name for name in wanted.modules if name not in names)])}"'
    return before[: found.start()] + line + before[found.end() :] if found else f"{before}{line}\n"


def _argv(wanted: Wanted) -> list[str]:
    kernel, initrd = (PurePosixPath(path).name for path in (wanted.kernel, wanted.path))
    argv = ["mkinitrd", "-k", kernel, "-i", initrd, "-m", " ".join(wanted.modules), "-B"]
    return [*argv, *(["-f", "lvm2"] if wanted.lvm else [])]


MKINITRD = Tool("mkinitrd-suse", ("lib/mkinitrd/scripts",), "/etc/sysconfig/kernel", _configure, _argv)
