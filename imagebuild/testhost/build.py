"""Makes the Xen test host once, as a cache entry, and finds it again. Needs no root and mounts nothing."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imagebuild.errors import HostError, VerifyError
from imagebuild.events import Progress
from imagebuild.host import command
from imagebuild.host.apt_sources import debian_mirrors
from imagebuild.host.cache import Cache
from imagebuild.host.cache_kinds import Kind
from imagebuild.host.digest import file_sha256
from imagebuild.testhost import definition, initramfs, stand_in
from imagebuild.testhost.origin import (
    KEEP_RECORDS,
    Origin,
    keep_links_inside,
    libraries,
    read_origin,
    remove_dangling_links,
)
from imagebuild.testhost.tools import Tools
from imagebuild.vocabulary import Layout

KIND: Kind = "testhost"
# apt gives up on a mirror that is silent for so long; without it a dead mirror holds a build for minutes.
_APT_TIMEOUT_SECONDS = 30
_BUILD_TIMEOUT_SECONDS = 1800
_NETWORK_SIGNS = ("Could not resolve", "Failed to fetch", "Could not connect", "Connection timed out", "404  Not Found")


@dataclass(frozen=True, slots=True)
class TestHost:
    """The finished test host: a folder of files that belong to the user."""

    __test__ = False  # not a test, whatever pytest thinks of the name

    folder: Path

    @property
    def xen(self) -> Path:
        """The hypervisor, unpacked: QEMU's multiboot loader wants it so."""
        return self.folder / "xen"

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.folder / "initrd.img"

    @property
    def tools(self) -> Tools:
        return Tools(self.folder / "tools")

    def stand_in(self, layout: Layout) -> Path:
        """GRUB 2's Xen port, reading menu.lst where that kind of PV-GRUB reads it."""
        return self.folder / f"stand-in-{layout}"

    def facts(self) -> dict[str, str]:
        """`kernel_version`, `loader_version` and the sha256 of each loader (`stand-in-hd0`, `stand-in-hd00`)."""
        facts: dict[str, str] = json.loads((self.folder / "facts.json").read_text(encoding="utf-8"))
        return facts


def find(cache: Cache) -> TestHost | None:
    """The test host of today's definition, if it has been made."""
    path = cache.find(KIND, definition.digest())
    return TestHost(path) if path else None


def prepare(cache: Cache, progress: Progress) -> tuple[TestHost, bool]:
    """The test host, made if need be, and whether it was there already.

    Raises HostError when mmdebstrap is missing, VerifyError when the packages cannot be had or used.
    """

    def make(folder: Path) -> None:
        command.require("mmdebstrap", "mmdebstrap")
        tools = Tools(folder / "tools")
        unpack_packages(tools.root, folder / "tmp", definition.PACKAGES, (KEEP_RECORDS,), "the Xen test host", progress)
        keep_links_inside(tools.root)
        origin = read_origin(tools.root)
        _take_dom0(tools, origin, folder, progress)
        _make_loaders(tools, folder, progress)
        _prune(origin)

    path, cached = cache.get(KIND, definition.digest(), make)
    return TestHost(path), cached


def _prune(origin: Origin) -> None:
    """Leave only what a package brought and somebody reads. Raises VerifyError when there is something else."""
    for pruned in definition.PRUNED:
        shutil.rmtree(origin.root / pruned, ignore_errors=True)
    remove_dangling_links(origin.root)
    origin.check_all()


def _mirrors() -> dict[str, str]:
    """The machine's own mirrors of the suite's pockets."""
    lines = [line.split() for line in debian_mirrors(definition.SUITE)]
    return {pocket: uri for *_deb, uri, pocket, _main in reversed(lines)}


def unpack_packages(
    tree: Path, scratch: Path, packages: Sequence[str], hooks: Sequence[str], whose: str, progress: Progress
) -> None:
    """Let mmdebstrap resolve, fetch, verify and unpack the packages into `tree`, and run the hooks (--extract-hook).

    The variant "extract" runs nothing of what it unpacks, so the mode "chrootless" is enough for any user, and all
    files belong to that user. mmdebstrap's own temporary files lie in the entry, too, and go with it.
    """
    scratch.mkdir()
    argv = [
        "mmdebstrap", "--variant=extract", "--mode=chrootless", "--format=directory",
        f"--include={','.join(packages)}",
        f"--aptopt=Acquire::http::Timeout \"{_APT_TIMEOUT_SECONDS}\"",
        f"--aptopt=Acquire::https::Timeout \"{_APT_TIMEOUT_SECONDS}\"",
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in definition.EXCLUDED_PATHS),
        # What this check keeps root from (mmdebstrap 1.4 and later) is running packages' scripts outside of a chroot.
        "--skip=check/chrootless", *(f"--extract-hook={hook}" for hook in hooks),
        "--architectures=amd64", definition.SUITE, str(tree), *definition.archive_lines(_mirrors()),
    ]  # fmt: skip
    finished = command.attempt(
        argv, environment={"TMPDIR": str(scratch)}, timeout_seconds=_BUILD_TIMEOUT_SECONDS, log=progress.log
    )
    if finished.exit_code != 0:
        unreachable = any(sign in finished.output for sign in _NETWORK_SIGNS)
        raise VerifyError(
            f"the Debian mirror did not deliver the packages of {whose}"
            if unreachable
            else f"the packages of {whose} cannot be unpacked (mmdebstrap ended with {finished.exit_code})",
            details=finished.tail(),
            resolution="check the network and /etc/apt/sources.list, then run: imagebuild doctor --prepare"
            if unreachable
            else "read the messages above; if this machine is not the cause, please report them",
        )
    shutil.rmtree(scratch)


def run_tool(argv: list[str], doing: str, progress: Progress) -> str:
    """One of the unpacked programs, and what it says. Raises VerifyError when it fails."""
    finished = command.attempt(argv, timeout_seconds=120, log=progress.log)
    if finished.exit_code != 0:
        raise VerifyError(f"{doing} failed (exit code {finished.exit_code})", details=finished.tail())
    return finished.output


def _take_dom0(tools: Tools, origin: Origin, folder: Path, progress: Progress) -> None:
    """Copy hypervisor and kernel out of the tree and make dom0's initial ramdisk."""
    version = _only(tools.root / "lib/modules", "*").name
    (folder / "xen").write_bytes(gzip.decompress(origin.read(_only(tools.root / "boot", "xen-*.gz"))))
    (folder / "vmlinuz").write_bytes(origin.read(tools.root / "boot" / f"vmlinuz-{version}"))
    (tools.root / "etc/depmod.d").mkdir(parents=True, exist_ok=True)
    run_tool([*tools.depmod(), version], "depmod", progress)
    members = [
        *_skeleton(),
        *_programs(tools, origin, progress),
        *_modules(tools.root / "lib/modules" / version, origin),
    ]
    (folder / "initrd.img").write_bytes(initramfs.archive(members))
    (folder / "facts.json").write_text(json.dumps({"kernel_version": version}), encoding="utf-8")
    (folder / "packages.json").write_text(json.dumps(origin.versions, indent=1, sort_keys=True), encoding="utf-8")


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise HostError(
            f"the test host's tree has {len(found)} files {pattern} in /{folder.name}, expected one",
            resolution="the Debian packages have changed: please report this",
        )
    return found[0]


def _skeleton() -> list[initramfs.Member]:
    folders = ("bin", "dev", "etc", "etc/xen", "etc/xen/scripts", "lib", "lib64", "modules", "proc", "run", "sys")
    more = ("tmp", "usr", "usr/lib", "usr/lib/xen-4.17", "usr/lib/xen-4.17/bin", "var", "var/lib", "var/log")
    return [
        *(initramfs.folder(name) for name in (*folders, *more)),
        initramfs.symlink("var/run", "/run"),
        initramfs.symlink("lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-x86-64.so.2"),
        initramfs.character_device("dev/console", 5, 1),
        initramfs.file("init", definition.data("dom0-init.sh").encode()),
        initramfs.file("etc/xen/scripts/block", definition.data("dom0-block.sh").encode()),
        initramfs.file("etc/xen/xl.conf", definition.XL_CONFIGURATION.encode(), 0o644),
    ]


def _programs(tools: Tools, origin: Origin, progress: Progress) -> list[initramfs.Member]:
    """busybox under its names, Xen's programs, and the libraries that these ask for (as ld.so lists them)."""
    members = [initramfs.file("bin/busybox", origin.read(tools.root / "bin/busybox"))]
    members += [initramfs.symlink(f"bin/{name}", "busybox") for name in definition.BUSYBOX_NAMES]
    wanted = {tools.root / path for path in definition.LATE_LIBRARIES}
    for path in (*definition.PROGRAMS, definition.CONSOLE_CLIENT):
        name = path if path == definition.CONSOLE_CLIENT else f"bin/{Path(path).name}"
        members.append(initramfs.file(name, origin.read(tools.root / path)))
        loader, *options = tools.program(path)
        listing = run_tool([loader, "--list", *options], f"listing the libraries of {path}", progress)
        wanted.update(libraries(listing, Path(loader)))
    return members + [initramfs.file(f"lib/{library.name}", origin.read(library)) for library in sorted(wanted)]


def _modules(folder: Path, origin: Origin) -> list[initramfs.Member]:
    """dom0's drivers and a list of them in an order in which insmod can load them."""
    ordered = module_order((folder / "modules.dep").read_text(encoding="utf-8"), definition.MODULES)
    names = "".join(f"/modules/{Path(path).name}\n" for path in ordered)
    return [
        *(initramfs.file(f"modules/{Path(path).name}", origin.read(folder / path), 0o644) for path in ordered),
        initramfs.file("etc/modules.list", names.encode(), 0o644),
    ]


def module_order(modules_dep: str, wanted: tuple[str, ...]) -> list[str]:
    """Paths of the wanted modules, each after those it needs. `modules_dep` is depmod's file (modules.dep(5)).

    modules.dep lists what a module needs so that the last name must be loaded first. A module that is not there
    is built into the kernel, or the boot will say that it is missing.
    """
    needs: dict[str, list[str]] = {}
    for line in modules_dep.splitlines():
        path, _, rest = line.partition(":")
        needs[path] = [*reversed(rest.split()), path]
    by_name = {Path(path).name.split(".ko")[0].replace("-", "_"): path for path in needs}
    ordered: list[str] = []
    for name in wanted:
        found = by_name.get(name.replace("-", "_"))
        ordered += [need for need in (needs[found] if found else []) if need not in ordered]
    return ordered


def _make_loaders(tools: Tools, folder: Path, progress: Progress) -> None:
    """The GRUB 2 stand-ins for the two kinds of PV-GRUB, and their facts."""
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    version = run_tool([*tools.grub_mkimage(), "--version"], "grub-mkimage", progress)
    facts["loader_version"] = version.strip().rpartition(" ")[2]
    layouts: tuple[Layout, ...] = ("hd0", "hd00")
    for layout in layouts:
        output = _make_loader(tools, layout, folder, progress)
        facts[output.name] = file_sha256(output)
    (folder / "facts.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")


def _make_loader(tools: Tools, layout: Layout, folder: Path, progress: Progress) -> Path:
    modules = definition.LOADER_MODULES
    embedded, output = folder / "memdisk.tar", folder / f"stand-in-{layout}"
    configuration = definition.loader_configuration(layout)
    embedded.write_bytes(stand_in.memdisk(tools.grub_modules(), modules, configuration))
    options = ["--memdisk", str(embedded), "--output", str(output), *modules, "memdisk", "tar"]
    run_tool([*tools.grub_mkimage(), *options], f"making the {layout} loader", progress)
    embedded.unlink()
    return output
