"""Which kernels the menu names, with which initrds, and the menu's text."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from imagebuild.bootloaders.menu import Menu, MenuEntry, write_menu
from imagebuild.bootloaders.menus.written import misread, misread_by_grub2
from imagebuild.bootloaders.modes import DEFAULT_MODES
from imagebuild.bootloaders.pv_grub import BOOT_DEVICES
from imagebuild.errors import PlanError
from imagebuild.plan.facts import KernelInTree, OwnKernel, TreeFacts
from imagebuild.plan.initrds import Needed, initrd_for
from imagebuild.plan.kernel_rules import (
    check_kernel,
    check_suite,
    must_repack,
    note_on_repacking,
    notes_on_kernel,
)
from imagebuild.plan.modes import command_line
from imagebuild.plan.steps import (
    CopyFile,
    CopyInTree,
    Edit,
    GenerateInitrd,
    IndexModules,
    PlannedEntry,
    RepackKernel,
    UnpackPackage,
)
from imagebuild.recipe.model import Boot, Kernel, Recipe

# What an initrd of any size may grow to when the distribution's tool makes a new one (Debian 12: 36 MiB).
GENERATED_INITRD_BYTES = 64 * 2**20
# A second payload, compressed with gzip, against the file it is put behind (Debian 12's cloud kernel: 0.76).
REPACKED_SHARE = 1.25
PENDING_VERSION = "VERSION"


@dataclass(frozen=True, slots=True)
class BootChoice:
    """The menu's entries in their order, and the edits that bring kernels and initrds into the tree.

    `packages` come before everything else that is written, `generated` after. `more_bytes`: what they add to /boot and
    what is not in the tree's own usage.
    """

    entries: tuple[PlannedEntry, ...]
    packages: tuple[Edit, ...] = ()
    edits: tuple[Edit, ...] = ()
    generated: tuple[GenerateInitrd, ...] = ()
    more_bytes: int = 0
    own: tuple[OwnKernel, ...] = ()
    pending: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def choose_kernels(recipe: Recipe, facts: TreeFacts | None, needed: Needed) -> BootChoice:
    """The entries of the menu. Raises PlanError when a kernel or an initrd cannot do what the image needs."""
    check_suite(recipe)
    choice = _Choice(recipe, needed)
    for wanted in recipe.boot.kernels or (Kernel(version="*"),):
        if facts is None:
            choice.add_pending(wanted)
        elif wanted.files:
            choice.add_own(wanted, _own(wanted, facts), facts)
        else:
            choice.add_matching(wanted, facts)
    _check_numbers(recipe.boot, len(choice.entries), final=facts is not None)
    return choice.made()


class _Choice:
    """Gathers entries and edits, one wanted kernel after the other."""

    def __init__(self, recipe: Recipe, needed: Needed) -> None:
        self._recipe = recipe
        self._needed = needed
        self.entries: list[PlannedEntry] = []
        self._packages: list[Edit] = []
        self._edits: list[Edit] = []
        self._generated: list[GenerateInitrd] = []
        self._own: list[OwnKernel] = []
        self._pending: list[str] = []
        self._notes: list[str] = []
        self._more: dict[str, int] = {}

    def made(self) -> BootChoice:
        """What was gathered; what two entries need is done once."""
        generated = tuple(dict.fromkeys(self._generated))
        return BootChoice(
            entries=tuple(self.entries),
            packages=tuple(dict.fromkeys(self._packages)),
            edits=tuple(dict.fromkeys(self._edits)),
            generated=generated,
            more_bytes=sum(self._more.values()) + len(generated) * GENERATED_INITRD_BYTES,
            own=tuple(dict.fromkeys(self._own)),
            pending=tuple(self._pending),
            notes=tuple(dict.fromkeys(self._notes)),
        )

    def add_pending(self, wanted: Kernel) -> None:
        """An entry for what is not known before the tree and the packages have been read."""
        if wanted.kernel is not None:
            self._add_entry(wanted, PurePosixPath(wanted.kernel).name, *own_paths(wanted))
            return
        what = f"that match {wanted.version}" if wanted.version else f"in {', '.join(wanted.files)}"
        self._pending.append(f"the kernels {what}, and whether their initrds hold what the root needs")
        kernel, initrd = f"/boot/vmlinuz-{PENDING_VERSION}", f"/boot/initrd.img-{PENDING_VERSION}"
        self._add_entry(wanted, self._title(PENDING_VERSION), kernel, initrd)

    def add_matching(self, wanted: Kernel, facts: TreeFacts) -> None:
        """Every kernel of the tree that the pattern matches, newest first."""
        for kernel in _matching(wanted, facts, self.entries):
            self._prepare(kernel)
            initrd, generate = initrd_for(kernel, self._needed, facts)
            self._generated += generate
            self._add_entry(wanted, self._title(kernel.version), kernel.path, initrd)

    def add_own(self, wanted: Kernel, own: OwnKernel, facts: TreeFacts) -> None:
        """The kernels of files beside the recipe."""
        self._own.append(own)
        if wanted.kernel is not None:
            path, initrd = own_paths(wanted)
            self._edits.append(CopyFile(source=wanted.kernel, path=path))
            if wanted.initrd is not None and initrd is not None:
                self._edits.append(CopyFile(source=wanted.initrd, path=initrd))
            for kernel in own.kernels:
                self._prepare(kernel)
            self._add_entry(wanted, PurePosixPath(wanted.kernel).name, path, initrd)
            return
        for name, digest in zip(own.files, own.digests, strict=True):
            self._packages.append(UnpackPackage(source=name, sha256=digest))
        for kernel in own.kernels:
            if kernel.modules is not None:
                self._packages.append(IndexModules(kernel_version=kernel.version))
            self._prepare(kernel)
            initrd, generate = initrd_for(kernel, self._needed, facts)
            self._generated += generate
            self._add_entry(wanted, self._title(kernel.version), kernel.path, initrd)

    def _prepare(self, kernel: KernelInTree) -> None:
        """Check it, and put it where and as the loader takes it."""
        boot = self._recipe.boot
        check_kernel(kernel, self._recipe.architecture, boot.loader, repack=boot.repack != "never")
        self._notes += notes_on_kernel(kernel)
        if kernel.lies_at is not None:
            self._edits.append(CopyInTree(source=kernel.lies_at, path=kernel.path))
            self._more[f"copy of {kernel.path}"] = kernel.size_bytes
        if kernel.config_lies_at is not None:
            self._edits.append(CopyInTree(source=kernel.config_lies_at, path=f"/boot/config-{kernel.version}"))
        if must_repack(kernel, boot.loader):
            self._edits.append(RepackKernel(path=kernel.path))
            self._notes.append(note_on_repacking(kernel, boot.loader))
            self._more[f"payload of {kernel.path}"] = int(kernel.size_bytes * REPACKED_SHARE)

    def _title(self, version: str) -> str:
        return f"{self._recipe.name}, Linux {version}"

    def _add_entry(self, wanted: Kernel, title: str, kernel: str, initrd: str | None) -> None:
        self.entries.append(PlannedEntry(title=wanted.title or title, kernel=kernel, initrd=initrd))


def menu_text(recipe: Recipe, entries: tuple[PlannedEntry, ...], *, separate_boot: bool, root: str) -> str:
    """/boot/grub/menu.lst. `root` is the root filesystem as the kernel finds it, such as UUID=…

    Raises PlanError for a menu that GRUB 0.97 would read otherwise, or GRUB 2 where a boot mode hands it the menu.
    """
    device = BOOT_DEVICES[recipe.disk.layout]
    menu = Menu(
        default=recipe.boot.default,
        timeout=recipe.boot.timeout,
        fallback=_fallback(recipe.boot, len(entries)),
        entries=tuple(
            MenuEntry(
                title=entry.title,
                root=device,
                kernel=_as_loader_sees(entry.kernel, separate_boot=separate_boot),
                arguments=f"root={root} {command_line(recipe)}".strip(),
                initrd=_as_loader_sees(entry.initrd, separate_boot=separate_boot) if entry.initrd else None,
            )
            for entry in entries
        ),
    )
    problem = misread(menu)
    if not problem and recipe.boot.modes != DEFAULT_MODES:
        problem = misread_by_grub2(menu)
    if problem:
        raise PlanError(
            "boot",
            f"the loader would misread the boot menu: {problem}",
            resolution="change boot.command_line, boot.kernels' title or the kernel's file name",
        )
    return write_menu(menu)


def _fallback(boot: Boot, count: int) -> tuple[int, ...]:
    """A maintained menu falls back to the second newest kernel, as kernel_updates.py's program writes it."""
    if boot.menu == "maintained":
        return (1,) if count > 1 else ()
    return () if boot.fallback is None else (boot.fallback,)


def _as_loader_sees(path: str, *, separate_boot: bool) -> str:
    return path.removeprefix("/boot") if separate_boot else path


def own_paths(wanted: Kernel) -> tuple[str, str | None]:
    """What a kernel of a file beside the recipe, and its initrd, are called in the image."""
    assert wanted.kernel is not None
    initrd = f"/boot/{PurePosixPath(wanted.initrd).name}" if wanted.initrd else None
    return f"/boot/{PurePosixPath(wanted.kernel).name}", initrd


def _own(wanted: Kernel, facts: TreeFacts) -> OwnKernel:
    """What was found in the files. Raises PlanError when there is no kernel in them, or a damaged initrd."""
    own = next((own for own in facts.own_kernels if own.files == wanted.files), None)
    if own is None or not own.kernels:
        raise PlanError(
            "boot.kernels",
            f"{', '.join(wanted.files)} contains no Linux kernel",
            resolution="name a bzImage or vmlinux, or a package that has one as /boot/vmlinuz-VERSION or as "
            "/lib/modules/VERSION/vmlinuz",
        )
    for kernel in own.kernels:
        if kernel.initrd is not None and kernel.initrd.damage:
            raise PlanError(
                "boot.kernels",
                f"{wanted.initrd} is not a readable initrd: {kernel.initrd.damage}",
                resolution="make it again: an initrd is one or more cpio archives, plain or compressed",
            )
    return own


def _matching(wanted: Kernel, facts: TreeFacts, entries: list[PlannedEntry]) -> list[KernelInTree]:
    if not facts.kernels:
        raise PlanError(
            "rootfs",
            "the tree has no kernel in /boot",
            resolution="add a kernel package (Debian: linux-image-amd64), or name a file in boot.kernels",
        )
    taken = {entry.kernel for entry in entries}
    pattern = wanted.version or "*"
    matching = [kernel for kernel in facts.kernels if fnmatchcase(kernel.version, pattern)]
    if not matching:
        found = ", ".join(kernel.version for kernel in facts.kernels)
        raise PlanError(
            "boot.kernels",
            f"no kernel in the tree matches {pattern}",
            details=f"found: {found}",
            resolution="name one of those",
        )
    # A second entry for the same kernel is only wanted when it was asked for by a title of its own.
    return matching if wanted.title else [kernel for kernel in matching if kernel.path not in taken]


def _check_numbers(boot: Boot, count: int, *, final: bool) -> None:
    if not final and any(kernel.kernel is None for kernel in boot.kernels or (Kernel(version="*"),)):
        return  # a pattern may find several kernels
    for key, number in (("default", boot.default), ("fallback", boot.fallback)):
        if number is not None and number >= count:
            entries = f"{count} entr{'y' if count == 1 else 'ies'}"
            raise PlanError(
                f"boot.{key}",
                f"entry {number} does not exist: the menu has {entries}, counted from 0",
                resolution=f"name an entry from 0 to {count - 1}"
                + (", or leave fallback out" if key == "fallback" else ""),
            )
