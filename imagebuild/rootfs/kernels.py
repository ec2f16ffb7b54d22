"""Finds the kernels of a tree, with their initrds, modules and configurations, while the tree's members pass by."""

from __future__ import annotations

import re
import tarfile
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from imagebuild.bootloaders.modes import MODES
from imagebuild.formats.bzimage import KernelFacts
from imagebuild.formats.foreign import number_or_none
from imagebuild.formats.initrd import InitrdError, holds_lvm, holds_module, read_initrd
from imagebuild.formats.kernel_config import built_in, is_xen_pv
from imagebuild.formats.kernel_file import unwrap
from imagebuild.limits import BOOT_FILE
from imagebuild.plan.facts import InitrdInTree, KernelInTree
from imagebuild.rootfs.package_file import PackageMembers as Members
from imagebuild.vocabulary import ROOT_TYPES

# The modules that a plan may ask about (plan/boot.py). xenblk: the classic Xen kernels' name for xen-blkfront.
ASKED_MODULES = (
    "xen-blkfront", "xenblk", "virtio_blk", "virtio_pci", "dm-mod", *ROOT_TYPES,
    *dict.fromkeys(driver for mode in MODES.values() for driver in mode.more_drivers),
)  # fmt: skip
_ASKED = {name.replace("-", "_"): name for name in ASKED_MODULES}
# SUSE also keeps a vmlinux-VERSION.gz beside the vmlinuz; some kernels (openSUSE's for EC2) are only a vmlinux.
_KERNEL = re.compile(r"boot/vmlinu(?P<letter>[zx])-(?P<version>[^/]+?)(?P<packed>\.gz)?")
_IN_MODULES = re.compile(r"(?:usr/)?lib/modules/(?P<version>[^/]+)/vmlinuz")
# Debian and Ubuntu; dracut's own (Fedora, RHEL since 6, CentOS, Oracle); RHEL 5 (initrd-VERSION.img); SUSE.
_INITRD = re.compile(
    r"boot/(?:initrd\.img-(?P<debian>[^/]+)|initramfs-(?P<dracut>[^/]+)\.img|initrd-(?P<suse>[^/]+?)(?:\.img)?)"
)
_CONFIG = re.compile(r"(?:boot/config-(?P<boot>[^/]+)|(?:usr/)?lib/modules/(?P<modules>[^/]+)/config)")
_BUILTIN = re.compile(r"(?:usr/)?lib/modules/(?P<version>[^/]+)/modules\.builtin")
_MODULE = re.compile(r"(?:usr/)?lib/modules/(?P<version>[^/]+)/.*/(?P<name>[^/]+)\.ko(?:\.(?:gz|xz|zst))?")
# dpkg's list of each package's files (dpkg-query(1), --listfiles); a co-installable one has its architecture behind.
_PACKAGE_FILES = re.compile(r"var/lib/dpkg/info/(?P<package>linux-[^/:]+)(?::[^/]+)?\.list")
_MOST_TEXT_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class _Kernel:
    path: str
    size_bytes: int
    facts: KernelFacts


@dataclass(frozen=True, slots=True)
class _Config:
    path: str
    text: str


@dataclass(slots=True)
class KernelsFound:
    """Everything by the version in its name. `_files` and `_initrds_by_path`: for hard links to them."""

    _kernels: dict[str, _Kernel] = field(default_factory=dict)
    _files: dict[str, _Kernel] = field(default_factory=dict)
    _initrds: dict[str, InitrdInTree] = field(default_factory=dict)
    _modules: dict[str, set[str]] = field(default_factory=dict)
    _builtin: dict[str, set[str]] = field(default_factory=dict)
    _configs: dict[str, _Config] = field(default_factory=dict)
    _packages: dict[str, str] = field(default_factory=dict)

    def look_at(self, name: str, member: tarfile.TarInfo, members: Members) -> None:
        """Take note of a member at `name` of the tree."""
        if match := _KERNEL.fullmatch(name) or _IN_MODULES.fullmatch(name):
            self._kernel(match, name, member, members)
        elif not member.isreg():
            return
        elif match := _INITRD.fullmatch(name):
            version = match["debian"] or match["dracut"] or match["suse"]
            self._initrds[version] = initrd_facts(f"/{name}", members.content(member, BOOT_FILE.most))
        elif match := _MODULE.fullmatch(name):
            known = self._modules.setdefault(match["version"], set())
            if (module := _ASKED.get(_plain(match["name"]))) is not None:
                known.add(module)
        elif match := _BUILTIN.fullmatch(name):
            stems = {_plain(PurePosixPath(line).name.split(".ko")[0]) for line in _text(members, member).split()}
            self._builtin[match["version"]] = {_ASKED[stem] for stem in stems & _ASKED.keys()}
        elif match := _PACKAGE_FILES.fullmatch(name):
            paths = _text(members, member).splitlines()
            self._packages |= {path: match["package"] for path in paths if _KERNEL.fullmatch(path.lstrip("/"))}
        elif match := _CONFIG.fullmatch(name):
            version = match["boot"] or match["modules"]
            if match["boot"] or version not in self._configs:
                self._configs[version] = _Config(f"/{name}", _text(members, member))

    def _kernel(self, match: re.Match[str], name: str, member: tarfile.TarInfo, members: Members) -> None:
        if member.islnk():
            found = self._files.get(member.linkname.removeprefix("./").lstrip("/"))
        elif member.isreg():
            facts = unwrap(members.content(member, BOOT_FILE.most))
            found = _Kernel(f"/{name}", member.size, facts) if facts else None
        else:
            return
        if found is None:
            return
        self._files[name] = found
        version = match["version"]
        before = self._kernels.get(version)
        if before is None or _rank(name) > _rank(before.path.lstrip("/")):
            self._kernels[version] = _Kernel(f"/{name}", found.size_bytes, found.facts)

    def facts(self) -> tuple[KernelInTree, ...]:
        """All of them, newest first."""
        found = [self._facts(version, kernel) for version, kernel in self._kernels.items()]
        return tuple(sorted(found, key=lambda kernel: version_key(kernel.version), reverse=True))

    def _facts(self, version: str, kernel: _Kernel) -> KernelInTree:
        config = self._configs.get(version)
        builtin = self._builtin.get(version, set()) | set(built_in(config.text, ROOT_TYPES) if config else ())
        modules = self._modules.get(version)
        in_boot = kernel.path.startswith("/boot/")
        return KernelInTree(
            path=kernel.path if in_boot else f"/boot/vmlinuz-{version}",
            lies_at=None if in_boot else kernel.path,
            version=version,
            release=kernel.facts.release,
            size_bytes=kernel.size_bytes,
            architecture=kernel.facts.architecture,
            compression=kernel.facts.compression,
            builtin=_in_order(builtin),
            modules=None if modules is None else _in_order(modules),
            xen_pv=is_xen_pv(config.text) if config else None,
            config_lies_at=config.path if config and not config.path.startswith("/boot/") else None,
            package=self._packages.get(kernel.path),
            initrd=self._initrds.get(version),
        )


def _rank(name: str) -> int:
    """Of two files of one version, which the menu names: a vmlinuz in /boot, then a vmlinux there, then another."""
    return (name.startswith("boot/") * 2) + ("vmlinuz" in name)


def _in_order(names: set[str]) -> tuple[str, ...]:
    return tuple(name for name in ASKED_MODULES if name in names)


def initrd_facts(path: str, data: bytes) -> InitrdInTree:
    """What an initrd tells the planner; a damaged one holds nothing, and says why."""
    try:
        facts = read_initrd(data)
    except InitrdError as error:
        return InitrdInTree(path=path, size_bytes=len(data), modules=(), holds_lvm=False, damage=str(error))
    held = tuple(name for name in ASKED_MODULES if holds_module(facts, name))
    return InitrdInTree(path=path, size_bytes=len(data), modules=held, holds_lvm=holds_lvm(facts))


def _text(members: Members, member: tarfile.TarInfo) -> str:
    return members.content(member, _MOST_TEXT_BYTES).decode("utf-8", "replace")


def _plain(name: str) -> str:
    return name.replace("-", "_")


def version_key(version: str) -> list[tuple[int, int, str]]:
    """Sorts kernel versions by age: numbers count as numbers, and 6.1-rc2 comes before 6.1."""
    parts = re.findall(r"\d+|~|-rc|[^\d~]+", version)
    key = []
    for part in parts:
        if (number := number_or_none(part)) is not None:
            key.append((2, number, ""))
        else:
            key.append((0, 0, "") if part in ("~", "-rc") else (1 if part.startswith((".", "-")) else 3, 0, part))
    return [*key, (1, 0, "")]
