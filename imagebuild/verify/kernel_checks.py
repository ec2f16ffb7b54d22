"""Checks of kernels and initrds: kernel, initrd, kernel-initrd."""

from __future__ import annotations

import re
from collections.abc import Iterator

from imagebuild.bootloaders.table import LOADERS
from imagebuild.filesystems.table import FILESYSTEMS
from imagebuild.formats.bzimage import KernelFacts
from imagebuild.formats.foreign import number_or_none
from imagebuild.formats.initrd import InitrdError, InitrdFacts, behind_gzip, holds_lvm, holds_module
from imagebuild.formats.kernel_config import is_xen_pv
from imagebuild.formats.text import excerpt
from imagebuild.image.boot_files import FileAt
from imagebuild.verify.view import (
    BootFile,
    Finding,
    ReachedEntry,
    View,
    failed,
    initrd_facts,
    passed,
    skipped,
    warned,
)

_OLDEST_PROTOCOL = (2, 8)  # the first with a payload field, which the domain builder needs
_NO_32_BIT_PV = (5, 9)  # arch/x86/xen/Kconfig: XEN_PV depends on X86_64
_XSAVE_KERNELS = ((2, 6, 32), (2, 6, 38))  # user guide: "boot with the XSAVE instruction"
# The disk driver's names: upstream, and that of the old Xen kernels (2.6.18 and SUSE's).
_DISK_DRIVERS = {"xen-blkfront": "CONFIG_XEN_BLKDEV_FRONTEND", "xenblk": "CONFIG_XEN_BLKDEV_FRONTEND"}
_MODULES_FOLDER = re.compile(r"(?:^|/)lib/modules/([^/]+)/.*\.ko")


def release_numbers(release: str) -> tuple[int, ...]:
    """`6.1.0-56-amd64` as (6, 1, 0)."""
    match = re.match(r"\d+(?:\.\d+)*", release)
    numbers = (number_or_none(part) for part in match[0].split(".")) if match else ()
    return tuple(number for number in numbers if number is not None)


def kernel(view: View) -> Iterator[Finding]:
    """Each kernel is a whole Linux kernel that the loader can unpack and that can be a Xen PV guest."""
    kernels = [file for file in view.own_files if file.role == "kernel"]
    if not kernels:
        yield skipped("there is no kernel to look at")
    for file in kernels:
        if view.content_of(file) is None:
            yield skipped(f"{file.shown}: it cannot be read")
        elif (facts := view.kernel_of(file.at)) is None:
            yield failed(f"{file.shown}: no Linux kernel for x86 (neither bzImage nor ELF)")
        else:
            yield _judge(view, file, facts)
    all_kernels = [file.at for file in view.all_files if file.role == "kernel"]
    if len({facts.architecture for at in all_kernels if (facts := view.kernel_of(at))}) > 1:
        yield failed("the kernels are of different architectures: one PV-GRUB cannot start them both")


def _judge(view: View, file: BootFile, facts: KernelFacts) -> Finding:
    protocol = ".".join(map(str, facts.protocol))
    name = f"{file.shown}: {facts.format} {excerpt(facts.release, 80) or 'of unknown release'}, {facts.architecture}"
    shown = f"{name}, protocol {protocol}, {facts.compression}"
    if problems := list(_kernel_problems(view, file.at, facts)):
        return failed(f"{shown}: {'; '.join(problems)}")
    if _XSAVE_KERNELS[0] <= release_numbers(facts.release)[:3] <= _XSAVE_KERNELS[1]:
        return warned(f"{shown}: Linux 2.6.32 to 2.6.38 needs the XSAVE patch of the EC2 user guide")
    return passed(f"{shown}: it needs the i386 PV-GRUB" if facts.architecture == "i386" else shown)


def _kernel_problems(view: View, at: FileAt, facts: KernelFacts) -> Iterator[str]:
    numbers = release_numbers(facts.release)
    if facts.format == "bzImage" and facts.protocol < _OLDEST_PROTOCOL:
        yield "its boot protocol is older than 2.08: a Xen domain builder finds no kernel in it"
    elif not facts.complete:
        yield "the file ends before its payload does: it is truncated"
    elif not LOADERS[view.loader].can_unpack(facts.compression):
        known = ", ".join(LOADERS[view.loader].unpacks)
        yield f"{view.loader} cannot unpack {facts.compression} (it knows {known})"
    if facts.architecture == "i386" and numbers >= _NO_32_BIT_PV:
        yield "Linux 5.9 and later cannot be a 32-bit Xen PV guest"
    config = view.config_of(at)
    if config is not None and not is_xen_pv(config):
        yield "its configuration has neither CONFIG_XEN_PV=y nor, as before Linux 4.12, CONFIG_XEN=y alone"


def _option(config: str | None, name: str) -> str:
    """`y`, `m`, or empty; of an unknown configuration: empty."""
    match = re.search(rf"^{name}=([ym])$", config or "", re.M)
    return match[1] if match else ""


def initrd(view: View) -> Iterator[Finding]:
    """Each initrd can be unpacked and holds what the root needs, unless the kernel has it built in."""
    if not view.entries:
        yield skipped("there is no entry")
    for reached in view.entries:
        if reached.initrd is None:
            yield _without_initrd(view, reached)
    for file in (file for file in view.own_files if file.role == "initrd"):
        content = view.content_of(file)
        if content is None:
            yield skipped(f"{file.shown}: it cannot be read")
            continue
        facts = initrd_facts(content)
        if isinstance(facts, InitrdError):
            yield failed(f"{file.shown}: {excerpt(str(facts))}")
            continue
        lacks, unsure = _lacking(view, file, facts)
        shown = f"{file.shown}: {len(facts.names)} files, {'+'.join(facts.compressions)}"
        if lacks:
            yield failed(f"{shown}: it lacks {', '.join(lacks)}")
        elif LOADERS[view.loader].is_grub_097 and (behind := behind_gzip(content)):
            yield failed(f"{shown}: {behind} bytes follow its gzip data, so GRUB 0.97 reads a wrong length")
        elif unsure:
            yield warned(f"{shown}: no module for {', '.join(unsure)}; the kernel must have it built in")
        else:
            yield passed(f"{shown}, with all that the root needs")


def _without_initrd(view: View, reached: ReachedEntry) -> Finding:
    device = view.root_of(reached).device
    if not view.is_linux(reached):
        return passed(f"{reached.shown}: no initrd, and the kernel is not Linux and needs none")
    if device is not None and device.wants_initrd:
        return failed(f"{reached.shown}: no initrd, and the kernel alone cannot find root={excerpt(device.written)}")
    return warned(f"{reached.shown}: no initrd: every driver must be built into the kernel")


def _lacking(view: View, file: BootFile, facts: InitrdFacts) -> tuple[list[str], list[str]]:
    """What is missing for certain, and what nobody can tell (no configuration beside the kernel)."""
    entry = next(reached for reached in view.entries if reached.initrd == file.at)
    config = view.config_of(entry.kernel) if isinstance(entry.kernel, FileAt) else None
    lacks: list[str] = []
    unsure: list[str] = []

    def need(names: tuple[str, ...], options: tuple[str, ...], *, certain: bool) -> None:
        if any(holds_module(facts, name) for name in names) or any(_option(config, item) == "y" for item in options):
            return
        (lacks if certain or config is not None else unsure).append(names[0])

    need(tuple(_DISK_DRIVERS), tuple(_DISK_DRIVERS.values()), certain=True)
    root = view.root
    if root is not None and root.volume is not None:
        need(("dm-mod",), ("CONFIG_BLK_DEV_DM",), certain=True)
        if not holds_lvm(facts):
            lacks.append("lvm (the root is a logical volume)")
    filesystem = next((item for item in FILESYSTEMS.values() if root is not None and item.name == root.type), None)
    if filesystem is not None and filesystem.drivers:
        need(filesystem.drivers[::-1], filesystem.driver_options, certain=False)
    return lacks, unsure


def kernel_initrd(view: View) -> Iterator[Finding]:
    """The initrd's modules are those of the kernel that it is started with."""
    if not view.entries:
        yield skipped("there is no entry")
    for reached in view.entries:
        if not isinstance(reached.kernel, FileAt) or not isinstance(reached.initrd, FileAt):
            yield skipped(f"{reached.shown}: there are no two files to compare")
            continue
        kernel_facts = view.kernel_of(reached.kernel)
        file = next(item for item in view.files if item.role == "initrd" and item.at == reached.initrd)
        content = view.content_of(file)
        facts = initrd_facts(content) if content is not None else None
        if kernel_facts is None or not kernel_facts.release or not isinstance(facts, InitrdFacts):
            yield skipped(f"{reached.shown}: kernel or initrd says nothing of its release")
            continue
        releases = sorted({match[1] for name in facts.names if (match := _MODULES_FOLDER.search(name))})
        shown = ", ".join(excerpt(release, 60) for release in releases[:3])
        if not releases:
            yield skipped(f"{reached.shown}: the initrd contains no modules")
        elif kernel_facts.release in releases:
            yield passed(f"{reached.shown}: both are {excerpt(kernel_facts.release, 60)}")
        else:
            release = excerpt(kernel_facts.release, 60)
            yield failed(f"{reached.shown}: the kernel is {release}, the initrd's modules are for {shown}")
