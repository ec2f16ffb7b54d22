"""What only the finished root tree can tell the planner. Found by build/, kept beside the tree in the cache."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Literal

from pydantic import BaseModel, ConfigDict

InitrdTool = Literal["initramfs-tools", "dracut"]


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InitrdInTree(_Fact):
    """An initrd: its path, and which of the modules asked about it holds (built-in ones count)."""

    path: str
    size_bytes: int
    modules: tuple[str, ...]
    holds_lvm: bool


class KernelInTree(_Fact):
    """A kernel: `version` as in its file's name, `release` as its header says; `compression` of the payload."""

    path: str
    version: str
    release: str
    size_bytes: int
    architecture: Literal["x86_64", "i386"]
    compression: str
    builtin: tuple[str, ...] = ()
    initrd: InitrdInTree | None = None


class Usage(_Fact):
    """What a folder holds, without the folders listed below it: `content_bytes` counts whole 4 KiB blocks."""

    path: str
    content_bytes: int
    inodes: int


class TreeFacts(_Fact):
    """`kernels` newest first; `usage` of folders down to three levels, each without its listed children.

    `user_xattrs`: some file has an extended attribute of the class user, which tmpfs keeps only since Linux 6.6.
    """

    digest: str
    family: str
    initrd_tool: InitrdTool | None
    kernels: tuple[KernelInTree, ...]
    usage: tuple[Usage, ...]
    user_xattrs: bool = False

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


def _below(path: str, folder: str) -> bool:
    return path == folder or PurePosixPath(folder) in PurePosixPath(path).parents
