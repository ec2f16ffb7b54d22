"""Programs that the image itself needs for what a recipe asks of it, and the packages that hold them. All data."""

from __future__ import annotations

from dataclasses import dataclass

from imagebuild.families.table import conventions
from imagebuild.filesystems.table import FILESYSTEMS
from imagebuild.plan.facts import TreeFacts

_FOLDERS = ("/bin", "/sbin", "/usr/bin", "/usr/sbin")


@dataclass(frozen=True, slots=True)
class Tool:
    """`package`: what most families call the one that holds it; `debian` is its name in Debian and Ubuntu."""

    name: str
    package: str
    debian: str = ""
    paths: tuple[str, ...] = ()

    def places(self) -> tuple[str, ...]:
        return self.paths or tuple(f"{directory}/{self.name}" for directory in _FOLDERS)


SYSTEMD = Tool("systemd", "systemd", "systemd-sysv", ("/lib/systemd/systemd", "/usr/lib/systemd/systemd"))
FINDMNT = Tool("findmnt", "util-linux")
PARTX = Tool("partx", "util-linux")
SFDISK = Tool("sfdisk", "util-linux", "fdisk")
LVM = Tool("lvm", "lvm2")
CLOUD_INIT = Tool("cloud-init", "cloud-init")
SSHD = Tool("sshd", "openssh-server")
SUDO = Tool("sudo", "sudo")
BASH = Tool("bash", "bash")
KERNEL_INSTALL = Tool("kernel-install", "systemd-udev", "systemd")
ZSTD = Tool("zstd", "zstd")
LZ4 = Tool("lz4", "lz4")
NOLOGIN = Tool("nologin", "util-linux", "login")
_GROW = dict.fromkeys(Tool(item.grow.program, item.grow.package) for item in FILESYSTEMS.values() if item.grow)
_ALL = (SYSTEMD, FINDMNT, PARTX, SFDISK, *_GROW, LVM, CLOUD_INIT, SSHD, SUDO, BASH, KERNEL_INSTALL, ZSTD, LZ4, NOLOGIN)
# What build/ looks out for in a tree (TreeFacts.noted).
TOOL_PATHS = tuple(path for tool in _ALL for path in tool.places())


def place_of(tool: Tool, facts: TreeFacts) -> str | None:
    """Where the tree has it; None: nowhere."""
    noted = {item.path for item in facts.noted}
    return next((path for path in tool.places() if path in noted), None)


def package_of(tool: Tool, facts: TreeFacts) -> str:
    return tool.debian if tool.debian and conventions(facts.family).debian_packages else tool.package
