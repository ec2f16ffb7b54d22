"""What a root tree tells the planner, read from its archive in one pass: kernels, initrds, tools, sizes."""

from __future__ import annotations

import re
import tarfile
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from imagebuild.build import archive
from imagebuild.build.packages import DPKG_STATUS
from imagebuild.errors import BuildError
from imagebuild.formats.bzimage import KernelFacts, read_kernel
from imagebuild.formats.initrd import InitrdError, holds_lvm, holds_module, read_initrd
from imagebuild.plan.facts import InitrdInTree, InitrdTool, KernelInTree, TreeFacts, Usage

# The modules that a plan may ask about (planner.py).
ASKED_MODULES = (
    "xen-blkfront", "virtio_blk", "virtio_pci", "dm-mod", "ext2", "ext4", "xfs", "btrfs", "reiserfs",
)  # fmt: skip
_KERNEL = re.compile(r"boot/vmlinu[zx]-(?P<version>[^/]+)")
# Debian and Ubuntu; dracut (Fedora, RHEL, CentOS, Oracle, SUSE since 12.3); mkinitrd (older RHEL; SUSE).
_INITRD = re.compile(r"boot/(?:initrd\.img-(?P<debian>[^/]+)|initramfs-(?P<dracut>[^/]+)\.img|initrd-(?P<suse>[^/]+))")
_BUILTIN = re.compile(r"(?:usr/)?lib/modules/(?P<version>[^/]+)/modules\.builtin")
_TOOLS: dict[str, InitrdTool] = {
    "usr/sbin/mkinitramfs": "initramfs-tools",
    "usr/bin/dracut": "dracut",
    "usr/sbin/dracut": "dracut",
    "sbin/dracut": "dracut",
}
_BLOCK = 4096
_DEPTH = 3
_MOST_KERNEL_BYTES = 256 * 2**20
_MOST_INITRD_BYTES = 512 * 2**20
_MOST_TEXT_BYTES = 64 * 2**20


@dataclass(slots=True)
class _Found:
    """Gathered while the archive passes by."""

    kernels: dict[str, tuple[str, int, KernelFacts]] = field(default_factory=dict)
    initrds: dict[str, InitrdInTree] = field(default_factory=dict)
    builtin: dict[str, tuple[str, ...]] = field(default_factory=dict)
    tools: list[InitrdTool] = field(default_factory=list)
    family: str = "unknown"
    dpkg_status: str = ""
    user_xattrs: bool = False
    content: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    inodes: dict[str, int] = field(default_factory=lambda: defaultdict(int))


def read_tree(path: Path, digest: str) -> tuple[TreeFacts, str]:
    """The facts of the tree in the archive `path`, and dpkg's status file (empty where there is none).

    Raises BuildError when the archive, or a kernel or an initrd in /boot, cannot be read.
    """
    found = _Found()
    with archive.opened(path) as members:
        for member in members:
            name = archive.clean_name(member.name)
            if name and not name.startswith("dev/"):
                _count(found, name, member)
                _look_into(found, name, member, members)
    return _facts(found, digest), found.dpkg_status


def _count(found: _Found, name: str, member: tarfile.TarInfo) -> None:
    parts = name.split("/")[:-1] if not member.isdir() else name.split("/")
    folder = "/" + "/".join(parts[:_DEPTH])
    if not member.islnk():
        found.inodes[folder] += 1
    if member.isreg():
        found.content[folder] += -(-member.size // _BLOCK) * _BLOCK
    elif member.isdir():
        found.content[folder] += _BLOCK


def _look_into(found: _Found, name: str, member: tarfile.TarInfo, members: tarfile.TarFile) -> None:
    if any(key.startswith("SCHILY.xattr.user.") for key in member.pax_headers):
        found.user_xattrs = True
    if name in _TOOLS:
        found.tools.append(_TOOLS[name])
    if not member.isreg():
        return
    if match := _KERNEL.fullmatch(name):
        data = _content(members, member, _MOST_KERNEL_BYTES)
        if facts := read_kernel(data):
            found.kernels[match["version"]] = (f"/{name}", member.size, facts)
    elif match := _INITRD.fullmatch(name):
        version = match["debian"] or match["dracut"] or match["suse"]
        found.initrds[version] = _initrd(f"/{name}", _content(members, member, _MOST_INITRD_BYTES))
    elif match := _BUILTIN.fullmatch(name):
        lines = _text(members, member).split()
        found.builtin[match["version"]] = tuple(sorted(PurePosixPath(line).name.split(".ko")[0] for line in lines))
    elif name in ("etc/os-release", "usr/lib/os-release"):
        for line in _text(members, member).splitlines():
            if line.startswith("ID="):
                found.family = line[3:].strip("\"'")
    elif name == DPKG_STATUS:
        found.dpkg_status = _text(members, member)


def _content(members: tarfile.TarFile, member: tarfile.TarInfo, most: int) -> bytes:
    if member.size > most:
        raise BuildError(f"/{archive.clean_name(member.name)} of the tree has {member.size} bytes, {most} at the most")
    file = members.extractfile(member)
    return file.read() if file else b""


def _text(members: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    return _content(members, member, _MOST_TEXT_BYTES).decode("utf-8", "replace")


def _initrd(path: str, data: bytes) -> InitrdInTree:
    try:
        facts = read_initrd(data)
    except InitrdError as error:
        raise BuildError(f"{path} of the tree is no initrd that can be read: {error}") from error
    held = tuple(name for name in ASKED_MODULES if holds_module(facts, name))
    return InitrdInTree(path=path, size_bytes=len(data), modules=held, holds_lvm=holds_lvm(facts))


def _facts(found: _Found, digest: str) -> TreeFacts:
    kernels = [
        KernelInTree(
            path=path,
            version=version,
            release=facts.release,
            size_bytes=size,
            architecture=facts.architecture,
            compression=facts.compression,
            builtin=tuple(
                name for name in ASKED_MODULES if name.replace("-", "_") in _plain(found.builtin.get(version, ()))
            ),
            initrd=found.initrds.get(version),
        )
        for version, (path, size, facts) in found.kernels.items()
    ]
    return TreeFacts(
        digest=digest,
        family=found.family,
        initrd_tool=found.tools[0] if found.tools else None,
        kernels=tuple(sorted(kernels, key=lambda kernel: version_key(kernel.version), reverse=True)),
        user_xattrs=found.user_xattrs,
        usage=tuple(
            Usage(path=path, content_bytes=found.content[path], inodes=found.inodes[path])
            for path in sorted(set(found.content) | set(found.inodes))
        ),
    )


def _plain(names: tuple[str, ...]) -> set[str]:
    return {name.replace("-", "_") for name in names}


def version_key(version: str) -> list[tuple[int, int, str]]:
    """Sorts kernel versions by age: numbers count as numbers, and 6.1-rc2 comes before 6.1."""
    parts = re.findall(r"\d+|~|-rc|[^\d~]+", version)
    key = []
    for part in parts:
        if part.isdigit():
            key.append((2, int(part), ""))
        else:
            key.append((0, 0, "") if part in ("~", "-rc") else (1 if part.startswith((".", "-")) else 3, 0, part))
    return [*key, (1, 0, "")]
