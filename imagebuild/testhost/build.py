"""Makes the Xen test host once, as a cache entry, and finds it again. Needs no root and mounts nothing."""

from __future__ import annotations

import gzip
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from imagebuild.errors import HostError, VerifyError
from imagebuild.events import Progress
from imagebuild.host import command
from imagebuild.host.apt_sources import debian_mirrors
from imagebuild.host.cache import Cache
from imagebuild.host.cache_kinds import Kind
from imagebuild.host.digest import file_sha256
from imagebuild.testhost import definition, initramfs
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
        _unpack_packages(tools.root, folder / "tmp", progress)
        _take_dom0(tools, folder, progress)
        _make_loaders(tools, folder, progress)
        for pruned in definition.PRUNED:
            shutil.rmtree(tools.root / pruned, ignore_errors=True)

    path, cached = cache.get(KIND, definition.digest(), make)
    return TestHost(path), cached


def _unpack_packages(tree: Path, scratch: Path, progress: Progress) -> None:
    """Let mmdebstrap resolve, fetch, verify and unpack the packages into `tree`.

    The variant "extract" runs nothing of what it unpacks, so the mode "chrootless" is enough for any user, and all
    files belong to that user. mmdebstrap's own temporary files lie in the entry, too, and go with it.
    """
    scratch.mkdir()
    argv = [
        "mmdebstrap", "--variant=extract", "--mode=chrootless", "--format=directory",
        f"--include={','.join(definition.PACKAGES)}",
        f"--aptopt=Acquire::http::Timeout \"{_APT_TIMEOUT_SECONDS}\"",
        f"--aptopt=Acquire::https::Timeout \"{_APT_TIMEOUT_SECONDS}\"",
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in definition.EXCLUDED_PATHS),
        "--architectures=amd64", definition.SUITE, str(tree), *debian_mirrors(definition.SUITE),
    ]  # fmt: skip
    finished = command.attempt(
        argv, environment={"TMPDIR": str(scratch)}, timeout_seconds=_BUILD_TIMEOUT_SECONDS, log=progress.log
    )
    if finished.exit_code != 0:
        unreachable = any(sign in finished.output for sign in _NETWORK_SIGNS)
        raise VerifyError(
            "the Debian mirror did not deliver the packages of the Xen test host"
            if unreachable
            else f"the packages of the Xen test host cannot be unpacked (mmdebstrap ended with {finished.exit_code})",
            details=finished.tail(),
            resolution="check the network and /etc/apt/sources.list, then run: imagebuild doctor --prepare",
        )
    shutil.rmtree(scratch)


def _run(argv: list[str], doing: str, progress: Progress) -> str:
    finished = command.attempt(argv, timeout_seconds=120, log=progress.log)
    if finished.exit_code != 0:
        raise VerifyError(f"{doing} failed (exit code {finished.exit_code})", details=finished.tail())
    return finished.output


def _take_dom0(tools: Tools, folder: Path, progress: Progress) -> None:
    """Copy hypervisor and kernel out of the tree and make dom0's initial ramdisk."""
    version = _only(tools.root / "lib/modules", "*").name
    (folder / "xen").write_bytes(gzip.decompress(_only(tools.root / "boot", "xen-*.gz").read_bytes()))
    shutil.copyfile(tools.root / "boot" / f"vmlinuz-{version}", folder / "vmlinuz")
    _run([*tools.program("bin/kmod", name="depmod"), "-b", str(tools.root), version], "depmod", progress)
    members = [*_skeleton(), *_programs(tools, progress), *_modules(tools.root / "lib/modules" / version)]
    (folder / "initrd.img").write_bytes(initramfs.archive(members))
    facts = {"kernel_version": version}
    (folder / "facts.json").write_text(json.dumps(facts), encoding="utf-8")


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise HostError(
            f"the test host's tree holds {len(found)} files {pattern} in /{folder.name}, expected one",
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


def _programs(tools: Tools, progress: Progress) -> list[initramfs.Member]:
    """busybox under its names, Xen's programs, and the libraries that these ask for (as ld.so lists them)."""
    busybox = (tools.root / "bin/busybox").read_bytes()
    members = [initramfs.file("bin/busybox", busybox)]
    members += [initramfs.symlink(f"bin/{name}", "busybox") for name in definition.BUSYBOX_NAMES]
    libraries = {tools.root / path for path in definition.LATE_LIBRARIES}
    for path in (*definition.PROGRAMS, definition.CONSOLE_CLIENT):
        name = path if path == definition.CONSOLE_CLIENT else f"bin/{Path(path).name}"
        members.append(initramfs.file(name, (tools.root / path).read_bytes()))
        loader, *options = tools.program(path)
        for line in _run([loader, "--list", *options], f"listing the libraries of {path}", progress).splitlines():
            words = [word for word in line.split() if word.startswith("/")]
            libraries.update(Path(word) for word in words[:1])
    return members + [initramfs.file(f"lib/{library.name}", library.read_bytes()) for library in sorted(libraries)]


def _modules(folder: Path) -> list[initramfs.Member]:
    """dom0's drivers and a list of them in an order in which insmod can load them."""
    ordered = module_order((folder / "modules.dep").read_text(encoding="utf-8"), definition.MODULES)
    names = "".join(f"/modules/{Path(path).name}\n" for path in ordered)
    return [
        *(initramfs.file(f"modules/{Path(path).name}", (folder / path).read_bytes(), 0o644) for path in ordered),
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
    by_name = {Path(path).stem.replace("-", "_"): path for path in needs}
    ordered: list[str] = []
    for name in wanted:
        found = by_name.get(name.replace("-", "_"))
        ordered += [need for need in (needs[found] if found else []) if need not in ordered]
    return ordered


def _make_loaders(tools: Tools, folder: Path, progress: Progress) -> None:
    """The GRUB 2 stand-ins for the two kinds of PV-GRUB, and their facts."""
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    version = _run([*tools.grub_mkstandalone(), "--version"], "grub-mkstandalone", progress)
    facts["loader_version"] = version.strip().rpartition(" ")[2]
    modules = " ".join(definition.LOADER_MODULES)
    layouts: tuple[Layout, ...] = ("hd0", "hd00")
    for layout in layouts:
        configuration = folder / f"{layout}.cfg"
        configuration.write_text(definition.loader_configuration(layout), encoding="utf-8")
        output = folder / f"stand-in-{layout}"
        embed = f"boot/grub/grub.cfg={configuration}"
        options = [f"--install-modules={modules}", f"--modules={modules}", "-o", str(output), embed]
        _run([*tools.grub_mkstandalone(), *options], f"making the {layout} loader", progress)
        facts[output.name] = file_sha256(output)
    (folder / "facts.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
