"""Which kernels the menu names, with which initrds, and the menu's text."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from imagebuild.errors import PlanError
from imagebuild.formats.menu import Menu, MenuEntry, write_menu
from imagebuild.plan.facts import KernelInTree, TreeFacts
from imagebuild.plan.families import conventions, initrd_path
from imagebuild.plan.rules import check_kernel
from imagebuild.plan.steps import CopyFile, Edit, GenerateInitrd, PlannedEntry
from imagebuild.recipe.model import Boot, Kernel, Recipe

# What an initrd of any size may grow to when the distribution's tool makes a new one (Debian 12: 36 MiB).
GENERATED_INITRD_BYTES = 64 * 2**20
PENDING_VERSION = "VERSION"


@dataclass(frozen=True, slots=True)
class BootChoice:
    """The menu's entries in their order, and the edits that bring kernels and initrds into the tree."""

    entries: tuple[PlannedEntry, ...]
    edits: tuple[Edit, ...]
    pending: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Needed:
    """What the initrds must hold for the root to be found.

    `modules`: for each need the drivers that meet it, any one of them: Linux' ext4 driver also mounts ext2 and ext3,
    and the classic Xen kernels (RHEL 5, SUSE 11) call xen-blkfront xenblk.
    """

    modules: tuple[tuple[str, ...], ...]
    lvm: bool


def choose_kernels(recipe: Recipe, facts: TreeFacts | None, needed: Needed) -> BootChoice:
    """The entries of the menu. Raises PlanError when a kernel or an initrd cannot do what the image needs."""
    entries: list[PlannedEntry] = []
    edits: list[Edit] = []
    pending: list[str] = []
    for wanted in recipe.boot.kernels or (Kernel(version="*"),):
        if wanted.kernel is not None:
            entry, copies = _own_kernel(wanted)
            entries.append(entry)
            edits += copies
        elif facts is None:
            pending.append(
                f"the kernels that match {wanted.version}, and whether their initrds hold what the root needs"
            )
            entries.append(_pending_entry(recipe, wanted))
        else:
            for kernel in _matching(wanted, facts, entries):
                check_kernel(kernel, recipe.architecture)
                initrd, generate = _initrd_for(kernel, needed, facts)
                entries.append(
                    PlannedEntry(title=_title(recipe, wanted, kernel.version), kernel=kernel.path, initrd=initrd)
                )
                edits += generate
    _check_numbers(recipe.boot, len(entries), final=facts is not None)
    return BootChoice(tuple(entries), tuple(edits), tuple(pending))


def menu_text(recipe: Recipe, entries: tuple[PlannedEntry, ...], *, separate_boot: bool, root: str) -> str:
    """/boot/grub/menu.lst. `root` is the root filesystem as the kernel finds it, such as UUID=…"""
    device = "(hd0)" if recipe.disk.layout == "hd0" else "(hd0,0)"
    menu = Menu(
        default=recipe.boot.default,
        timeout=recipe.boot.timeout,
        fallback=() if recipe.boot.fallback is None else (recipe.boot.fallback,),
        entries=tuple(
            MenuEntry(
                title=entry.title,
                root=device,
                kernel=_as_loader_sees(entry.kernel, separate_boot=separate_boot),
                arguments=f"root={root} {recipe.boot.command_line}".strip(),
                initrd=_as_loader_sees(entry.initrd, separate_boot=separate_boot) if entry.initrd else None,
            )
            for entry in entries
        ),
    )
    return write_menu(menu)


def _as_loader_sees(path: str, *, separate_boot: bool) -> str:
    return path.removeprefix("/boot") if separate_boot else path


def _title(recipe: Recipe, wanted: Kernel, version: str) -> str:
    return wanted.title or f"{recipe.name}, Linux {version}"


def _pending_entry(recipe: Recipe, wanted: Kernel) -> PlannedEntry:
    return PlannedEntry(
        title=_title(recipe, wanted, PENDING_VERSION),
        kernel=f"/boot/vmlinuz-{PENDING_VERSION}",
        initrd=f"/boot/initrd.img-{PENDING_VERSION}",
    )


def _own_kernel(wanted: Kernel) -> tuple[PlannedEntry, list[Edit]]:
    assert wanted.kernel is not None
    kernel = f"/boot/{PurePosixPath(wanted.kernel).name}"
    initrd = f"/boot/{PurePosixPath(wanted.initrd).name}" if wanted.initrd else None
    edits: list[Edit] = [CopyFile(source=wanted.kernel, path=kernel)]
    if wanted.initrd and initrd:
        edits.append(CopyFile(source=wanted.initrd, path=initrd))
    title = wanted.title or PurePosixPath(wanted.kernel).name
    return PlannedEntry(title=title, kernel=kernel, initrd=initrd), edits


def _matching(wanted: Kernel, facts: TreeFacts, entries: list[PlannedEntry]) -> list[KernelInTree]:
    if not facts.kernels:
        raise PlanError(
            "rootfs: the tree holds no kernel in /boot",
            resolution="add a kernel package (Debian: linux-image-amd64), or name a file in boot.kernels",
        )
    taken = {entry.kernel for entry in entries}
    pattern = wanted.version or "*"
    matching = [kernel for kernel in facts.kernels if fnmatchcase(kernel.version, pattern)]
    if not matching:
        found = ", ".join(kernel.version for kernel in facts.kernels)
        raise PlanError(
            f"boot.kernels: no kernel in the tree matches {pattern}",
            details=f"found: {found}",
            resolution="name one of those",
        )
    # A second entry for the same kernel is only wanted when it was asked for by a title of its own.
    return matching if wanted.title else [kernel for kernel in matching if kernel.path not in taken]


def _initrd_for(kernel: KernelInTree, needed: Needed, facts: TreeFacts) -> tuple[str | None, list[Edit]]:
    must_hold = [drivers for drivers in needed.modules if not _holds(kernel.builtin, drivers)]
    held = kernel.initrd.modules if kernel.initrd else ()
    lacking = [drivers[0] for drivers in must_hold if not _holds(held, drivers)]
    lvm_lacking = needed.lvm and not (kernel.initrd and kernel.initrd.holds_lvm)
    if not lacking and not lvm_lacking:
        return (kernel.initrd.path if kernel.initrd else None), []
    modules = tuple(_available(kernel, drivers) for drivers in must_hold)
    if facts.initrd_tool is None:
        what = ", ".join([*lacking, *(["the lvm tools"] if lvm_lacking else [])])
        raise PlanError(
            f"rootfs: {_initrd_words(kernel)} {what}, and the tree has no tool to make an initrd",
            resolution=f"install one in the tree: {conventions(facts.family).advice}",
        )
    path = kernel.initrd.path if kernel.initrd else initrd_path(facts.family, facts.initrd_tool, kernel.version)
    step = GenerateInitrd(
        tool=facts.initrd_tool,
        kernel=kernel.path,
        kernel_version=kernel.version,
        path=path,
        modules=modules,
        lvm=needed.lvm,
    )
    return path, [step]


def _initrd_words(kernel: KernelInTree) -> str:
    if kernel.initrd is None:
        return f"{kernel.path} has no initrd and does not hold"
    if kernel.initrd.damage:
        return f"{kernel.initrd.path} cannot be read ({kernel.initrd.damage}): it would have to hold"
    return f"{kernel.initrd.path} lacks"


def _available(kernel: KernelInTree, drivers: tuple[str, ...]) -> str:
    """The driver that the kernel has as a module. Raises PlanError when it has none of them."""
    if kernel.modules is None:
        return drivers[0]
    for name in drivers:
        if _plain(name) in map(_plain, kernel.modules):
            return name
    raise PlanError(
        f"boot.kernels: {kernel.path} has no driver {' or '.join(drivers)}, neither built in nor as a module: "
        "it would not find the root filesystem",
        resolution="use a kernel of another flavour"
        + ("; or leave that machine out: verify: {qemu: false}" if drivers[0].startswith("virtio") else ""),
    )


def _holds(names: tuple[str, ...], drivers: tuple[str, ...]) -> bool:
    return not {_plain(name) for name in names}.isdisjoint(_plain(name) for name in drivers)


def _plain(module: str) -> str:
    return module.replace("-", "_")


def _check_numbers(boot: Boot, count: int, *, final: bool) -> None:
    if not final and any(kernel.version for kernel in boot.kernels or (Kernel(version="*"),)):
        return  # a pattern may find several kernels
    for key, number in (("default", boot.default), ("fallback", boot.fallback)):
        if number is not None and number >= count:
            entries = f"{count} entr{'y' if count == 1 else 'ies'}"
            raise PlanError(
                f"boot.{key}: entry {number} does not exist: the menu has {entries}, counted from 0",
                resolution=f"name an entry from 0 to {count - 1}"
                + (", or leave fallback out" if key == "fallback" else ""),
            )
