"""What only the finished root tree can tell the planner. Found by rootfs/, cached beside the tree."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Literal

from pydantic import BaseModel, ConfigDict

from imagebuild.vocabulary import InitrdTool


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InitrdInTree(_Fact):
    """An initrd: its path, and which of the modules asked about it holds (built-in ones count).

    `damage`: why it cannot be read; then it holds nothing.
    """

    path: str
    size_bytes: int
    modules: tuple[str, ...]
    holds_lvm: bool
    damage: str | None = None


class KernelInTree(_Fact):
    """A kernel: `version` as in its file's name, `release` as its header says; `compression` of the payload.

    `builtin` and `modules`: which of the modules asked about it has built in, and beside it; `modules` None: nobody
    looked. `xen_pv`: whether its configuration makes it a Xen PV guest; None where there is no configuration.
    `lies_at`: where it lies in the tree, when that is not yet `path` (below /lib/modules, in newer releases);
    `config_lies_at`: the same of its configuration, which initrd tools look for in /boot. `package`: whose file it is,
    by dpkg's lists.
    """

    path: str
    version: str
    release: str
    size_bytes: int
    architecture: Literal["x86_64", "i386"]
    compression: str
    builtin: tuple[str, ...] = ()
    modules: tuple[str, ...] | None = None
    xen_pv: bool | None = None
    lies_at: str | None = None
    config_lies_at: str | None = None
    package: str | None = None
    initrd: InitrdInTree | None = None


class Usage(_Fact):
    """What a folder holds, without the folders listed below it: `content_bytes` counts whole 4 KiB blocks."""

    path: str
    content_bytes: int
    inodes: int


class OwnKernel(_Fact):
    """Kernels from files beside the recipe: `files` as the recipe names them, `digests` sha256 of each.

    `kernels`: of packages, each with the paths that it will have in the tree. `usage`: what the files add to the tree.
    """

    files: tuple[str, ...]
    digests: tuple[str, ...]
    kernels: tuple[KernelInTree, ...]
    usage: tuple[Usage, ...]


class DeviceNode(_Fact):
    """A device node, which an ordinary user's namespace cannot make: it is put into the finished filesystem then.

    `path` is absolute in the tree, `members` the archive's own names for it; each is percent-encoded (a name is bytes).
    """

    path: str
    members: tuple[str, ...]
    kind: Literal["b", "c"]
    major: int
    minor: int
    mode: int
    uid: int
    gid: int
    mtime: int


class Noted(_Fact):
    """A file that plan/tidy.py or plan/tools.py watches out for."""

    path: str
    kind: Literal["file", "link", "directory"]


class Account(_Fact):
    """A user of the tree, from its /etc/passwd."""

    name: str
    uid: int
    gid: int
    home: str


class Group(_Fact):
    """A group of the tree, from its /etc/group."""

    name: str
    gid: int


class Attribute(_Fact):
    """An extended attribute that only the machine's own root may set. `path` percent-encoded, `value` in base64."""

    path: str
    name: str
    value: str


class BootCodeFile(_Fact):
    """A file of boot code, made or taken of a Debian package: its bytes' `sha256`, and which package that was."""

    platform: str
    name: str
    size_bytes: int
    sha256: str
    package: str
    version: str
    package_sha256: str


class BootCodeFacts(_Fact):
    """What GRUB's packages in the cache tell: every file that may be written into an image."""

    files: tuple[BootCodeFile, ...]

    def file(self, platform: str, name: str) -> BootCodeFile:
        """The file of that name for that platform: all that bootloaders/modes.py lists are there."""
        return next(item for item in self.files if (item.platform, item.name) == (platform, name))


class TreeFacts(_Fact):
    """`kernels` newest first, `own_kernels` those that the recipe brings along.

    `usage` of folders down to three levels, each without its listed children.
    `user_xattrs`: some file has an extended attribute of the class user, which tmpfs keeps only since Linux 6.6.
    `highest_id`: the largest number of an owner or group. `epoch`: when its newest file was written, or the moment that
    the user asks for, in seconds since 1970. `hosts`: the text of /etc/hosts, where there is one.
    """

    digest: str
    family: str
    initrd_tool: InitrdTool | None
    kernels: tuple[KernelInTree, ...]
    usage: tuple[Usage, ...]
    own_kernels: tuple[OwnKernel, ...] = ()
    user_xattrs: bool = False
    noted: tuple[Noted, ...] = ()
    highest_id: int = 0
    epoch: int = 0
    devices: tuple[DeviceNode, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    accounts: tuple[Account, ...] = ()
    groups: tuple[Group, ...] = ()
    hosts: str | None = None

    @property
    def content_bytes(self) -> int:
        return sum(usage.content_bytes for usage in self.usage)

    def usage_of(self, mountpoint: str, other_mountpoints: tuple[str, ...]) -> Usage:
        """What a filesystem mounted at `mountpoint` has to hold, when `other_mountpoints` are elsewhere."""
        deeper = [other for other in other_mountpoints if other != mountpoint and _below(other, mountpoint)]
        parts = [
            usage
            for usage in self.usage
            if _below(usage.path, mountpoint) and not any(_below(usage.path, other) for other in deeper)
        ]
        return Usage(
            path=mountpoint,
            content_bytes=sum(part.content_bytes for part in parts),
            inodes=sum(part.inodes for part in parts) + 16,
        )


def _below(path: str, directory: str) -> bool:
    return path == directory or PurePosixPath(directory) in PurePosixPath(path).parents
