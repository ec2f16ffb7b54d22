"""What this machine can do, found by trying it. `imagebuild doctor` shows it, the tests skip or fail by it.

Each probe is quick but for two: the appliance's launch (some ten seconds without KVM) and the first try of KVM.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from imagebuild.errors import HostError, ImagebuildError
from imagebuild.host import command
from imagebuild.host.cache import Cache
from imagebuild.host.ovmf import find_ovmf
from imagebuild.host.scratch import scratch_folder

State = Literal["ok", "limited", "lacking"]
_PROGRAM_TIMEOUT_SECONDS = 20
# A Debian tree, an image and the test host together; less is worth a word before it is too late.
_ROOMY_BYTES = 6 * 2**30


@dataclass(frozen=True, slots=True)
class Capability:
    """`limited`: works, but slower or with less than could be. `resolution` is empty where nothing is to be done.

    `needed`: without it, images cannot be built and verified here.
    """

    name: str
    state: State
    evidence: str
    resolution: str = ""
    needed: bool = True


@dataclass(frozen=True, slots=True)
class Probe:
    """One thing to try. `run` never raises an ImagebuildError: a lack is an answer. It may answer for two names."""

    name: str
    doing: str
    run: Callable[[], tuple[Capability, ...]]


def probes(cache: Cache) -> tuple[Probe, ...]:
    """All probes, quick ones first."""
    return (
        Probe("mmdebstrap", "starting mmdebstrap", lambda: _program("mmdebstrap", "mmdebstrap", "--version")),
        Probe("i386", "running a program for i386", _i386),
        Probe("namespace", "becoming root in a namespace of its own", _namespace),
        Probe("fence", "running a program behind the fence for trees", _fence),
        Probe("parted", "loading pyparted", _parted),
        Probe("e2fsprogs", "making and checking an ext4 filesystem", _e2fsprogs),
        Probe("disk-tools", "starting sfdisk, blkid and qemu-img", _disk_tools),
        Probe("fat-tools", "making and writing a FAT filesystem", _fat_tools),
        Probe("qemu", "starting qemu-system-x86_64", _qemu),
        Probe("ovmf", "looking for OVMF", _ovmf),
        Probe("cache", "writing into the cache", lambda: _cache(cache)),
        Probe("acceleration", "running a guest under KVM", lambda: _acceleration(cache)),
        Probe("guestfs", "launching libguestfs' appliance", lambda: _guestfs(cache)),
    )


def _tried(name: str, attempt: Callable[[], tuple[Capability, ...]]) -> tuple[Capability, ...]:
    try:
        return attempt()
    except ImagebuildError as error:
        evidence = "; ".join([error.brief, *error.details.splitlines()[-1:]])
        return (Capability(name, "lacking", f"tried: {evidence}", error.resolution),)
    except OSError as error:
        return (Capability(name, "lacking", f"tried: {error}"),)


def _version(program: str, package: str, option: str) -> str:
    """The first number-like word that the program says of itself. Raises HostError when it does not run."""
    command.require(program, package)
    finished = command.attempt([program, option], timeout_seconds=_PROGRAM_TIMEOUT_SECONDS)
    if finished.exit_code != 0:
        raise HostError(
            f"{program} {option} ended with {finished.exit_code}",
            details=finished.tail(3),
            resolution=f"reinstall the Debian package {package}",
        )
    found = re.search(r"\d+(\.\d+)+", finished.output)
    return found[0] if found else "unknown"


def _program(program: str, package: str, option: str) -> tuple[Capability, ...]:
    def attempt() -> tuple[Capability, ...]:
        return (Capability(program, "ok", f"tried: {program} {_version(program, package, option)} runs"),)

    return _tried(program, attempt)


def _namespace() -> tuple[Capability, ...]:
    def attempt() -> tuple[Capability, ...]:
        from imagebuild.host.namespace import is_root, prefix

        command.require("unshare", "util-linux")
        finished = command.attempt([*prefix(), "id", "-u"], timeout_seconds=_PROGRAM_TIMEOUT_SECONDS)
        if finished.exit_code != 0 or finished.output.strip() != "0":
            raise HostError(
                "unshare cannot make a namespace",
                details=finished.tail(3),
                resolution="permit user namespaces: sysctl kernel.unprivileged_userns_clone=1, "
                "kernel.apparmor_restrict_unprivileged_userns=0, or run as root",
            )
        who = "root, in a private mount namespace" if is_root() else "an ordinary user, with sub-uids"
        return (Capability("namespace", "ok", f"tried: a command ran as root inside ({who})"),)

    return _tried("namespace", attempt)


def _fence() -> tuple[Capability, ...]:
    def attempt() -> tuple[Capability, ...]:
        from imagebuild.host.fence.trial import try_fence

        return (Capability("fence", "ok", f"tried: {try_fence()}"),)

    return _tried("fence", attempt)


def _parted() -> tuple[Capability, ...]:
    try:
        import imagebuild.host.disk  # noqa: F401 (the door to parted: importing it loads the library)
    except ImportError as error:
        resolution = "install the Debian package libparted-dev, then run: pip install pyparted"
        return (Capability("parted", "lacking", f"tried: {error}", resolution),)
    return (Capability("parted", "ok", "tried: pyparted loads libparted"),)


def _i386() -> tuple[Capability, ...]:
    """What mmdebstrap wants for a tree of another architecture than the machine's: arch-test, and that it says ok."""

    def attempt() -> tuple[Capability, ...]:
        command.require("arch-test", "arch-test")
        finished = command.attempt(["arch-test", "i386"], timeout_seconds=_PROGRAM_TIMEOUT_SECONDS)
        if finished.exit_code != 0:
            raise HostError(finished.tail(1), resolution="use a kernel with CONFIG_IA32_EMULATION=y")
        return (Capability("i386", "ok", "tried: programs for i386 run"),)

    (found,) = _tried("i386", attempt)
    if found.state == "ok":
        return (found,)
    return (replace(found, state="limited", resolution=f"for trees of i386: {found.resolution}", needed=False),)


def _e2fsprogs() -> tuple[Capability, ...]:
    def attempt() -> tuple[Capability, ...]:
        for program in ("mke2fs", "e2fsck", "debugfs"):
            command.require(program, "e2fsprogs")
        with scratch_folder() as folder:
            image = str(folder / "ext4")
            for argv in (["mke2fs", "-q", "-t", "ext4", image, "4096"], ["e2fsck", "-fn", image]):
                finished = command.attempt(argv, timeout_seconds=_PROGRAM_TIMEOUT_SECONDS)
                if finished.exit_code != 0:
                    raise HostError(f"{argv[0]} ended with {finished.exit_code}", details=finished.tail(3))
        return (Capability("e2fsprogs", "ok", "tried: an ext4 filesystem was made and checked"),)

    return _tried("e2fsprogs", attempt)


def _disk_tools() -> tuple[Capability, ...]:
    def attempt() -> tuple[Capability, ...]:
        versions = [
            f"{program} {_version(program, package, '--version')}"
            for program, package in (("sfdisk", "fdisk"), ("blkid", "util-linux"), ("qemu-img", "qemu-utils"))
        ]
        return (Capability("disk-tools", "ok", f"tried: {', '.join(versions)} run"),)

    return _tried("disk-tools", attempt)


def _fat_tools() -> tuple[Capability, ...]:
    """For images that UEFI starts (boot.modes), and those alone."""

    def attempt() -> tuple[Capability, ...]:
        command.require("mkfs.fat", "dosfstools")
        command.require("mcopy", "mtools")
        with scratch_folder() as folder:
            image = str(folder / "fat")
            for argv in (["mkfs.fat", "-C", image, "1024"], ["mmd", "-i", image, "::/EFI"]):
                finished = command.attempt(argv, timeout_seconds=_PROGRAM_TIMEOUT_SECONDS)
                if finished.exit_code != 0:
                    raise HostError(f"{argv[0]} ended with {finished.exit_code}", details=finished.tail(3))
        return (Capability("fat-tools", "ok", "tried: a FAT filesystem was made and written"),)

    return tuple(replace(found, needed=False) for found in _tried("fat-tools", attempt))


def _ovmf() -> tuple[Capability, ...]:
    """The same."""

    def attempt() -> tuple[Capability, ...]:
        code, _variables = find_ovmf()
        return (Capability("ovmf", "ok", f"found: {code}"),)

    return tuple(replace(found, needed=False) for found in _tried("ovmf", attempt))


def _qemu() -> tuple[Capability, ...]:
    def attempt() -> tuple[Capability, ...]:
        version = _version("qemu-system-x86_64", "qemu-system-x86", "--version")
        return (Capability("qemu", "ok", f"tried: qemu-system-x86_64 {version} runs"),)

    return _tried("qemu", attempt)


def _cache(cache: Cache) -> tuple[Capability, ...]:
    """The cache's filesystem: writable, and with some room."""

    def attempt() -> tuple[Capability, ...]:
        with cache.lock("doctor", "write-test"):
            free_bytes = shutil.disk_usage(cache.root).free
        evidence = f"tried: {cache.root} can be written, {free_bytes / 2**30:.1f} GiB free"
        if free_bytes < _ROOMY_BYTES:
            resolution = f"a Debian image takes about {_ROOMY_BYTES // 2**30} GiB while it is built: free some space"
            return (Capability("cache", "limited", evidence, resolution),)
        return (Capability("cache", "ok", evidence),)

    return _tried("cache", attempt)


def _acceleration(cache: Cache) -> tuple[Capability, ...]:
    def attempt() -> tuple[Capability, ...]:
        from imagebuild.host.acceleration import accelerator

        if accelerator(cache) == "kvm":
            return (Capability("acceleration", "ok", "tried: a guest ran under KVM"),)
        why = "there is no /dev/kvm" if not Path("/dev/kvm").exists() else "no guest runs under KVM"
        if Path("/dev/kvm").exists() and not os.access("/dev/kvm", os.R_OK | os.W_OK):
            why = "/dev/kvm cannot be opened by this user"
        return (
            Capability(
                "acceleration", "limited", f"tried: {why}; QEMU emulates (TCG), and boots take minutes, not seconds",
                "turn virtualisation on in the firmware (or nested, in the outer machine); join the group kvm",
            ),
        )  # fmt: skip

    return _tried("acceleration", attempt)


def _guestfs(cache: Cache) -> tuple[Capability, ...]:
    """Two answers from one launch: the appliance, and the filesystems that it can mount."""

    def attempt() -> tuple[Capability, ...]:
        from imagebuild.host.acceleration import accelerator
        from imagebuild.host.guest import FILESYSTEMS, appliance_filesystems
        from imagebuild.host.mountable import remedy

        begin = time.monotonic()
        mountable = appliance_filesystems(accelerator(cache))
        seconds = time.monotonic() - begin
        launched = Capability("guestfs", "ok", f"tried: the appliance was launched in {seconds:.1f} s")
        missing = [name for name in FILESYSTEMS if not mountable.get(name)]
        evidence = f"tried: the appliance mounts {', '.join(name for name in FILESYSTEMS if mountable.get(name))}"
        if not missing:
            return launched, Capability("filesystems", "ok", evidence, needed=False)
        return launched, Capability(
            "filesystems", "limited", f"{evidence}; not {', '.join(missing)}", remedy(missing), needed=False
        )

    return _tried("guestfs", attempt)
