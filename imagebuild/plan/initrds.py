"""Whether a kernel finds the root with the initrd that it has, and the step that makes it another one if not."""

from __future__ import annotations

from dataclasses import dataclass

from imagebuild.errors import PlanError
from imagebuild.families.table import conventions, initrd_path
from imagebuild.plan.facts import KernelInTree, TreeFacts
from imagebuild.plan.steps import GenerateInitrd


@dataclass(frozen=True, slots=True)
class Needed:
    """What the initrds must hold for the root to be found.

    `modules`: for each need the drivers that meet it, any one of them: a filesystem's newest driver may also mount
    older ones, and the classic Xen kernels (RHEL 5, SUSE 11) call xen-blkfront xenblk.
    `more`: further modules, taken along where the kernel has them.
    `remake`: the initrds of the tree are another machine's, made to wait for its disks: made again where there is a
    tool.
    """

    modules: tuple[tuple[str, ...], ...]
    lvm: bool
    remake: bool = False
    more: tuple[str, ...] = ()


def initrd_for(kernel: KernelInTree, needed: Needed, facts: TreeFacts) -> tuple[str | None, tuple[GenerateInitrd, ...]]:
    """The initrd's path (None: the kernel needs none), and the step that makes it, if it must be made.

    Raises PlanError when it must be made and the tree has no tool for that, or when the kernel lacks a driver.
    """
    there = tuple((name,) for name in needed.more if _holds(kernel.modules or (), (name,)))
    must_hold = [drivers for drivers in (*needed.modules, *there) if not _holds(kernel.builtin, drivers)]
    held = kernel.initrd.modules if kernel.initrd else ()
    lacking = [drivers[0] for drivers in must_hold if not _holds(held, drivers)]
    lvm_lacking = needed.lvm and not (kernel.initrd and kernel.initrd.holds_lvm)
    remake = needed.remake and kernel.initrd is not None and facts.initrd_tool is not None
    if not lacking and not lvm_lacking and not remake:
        return (kernel.initrd.path if kernel.initrd else None), ()
    modules = tuple(_available(kernel, drivers) for drivers in must_hold)
    if facts.initrd_tool is None:
        what = ", ".join([*lacking, *(["the lvm tools"] if lvm_lacking else [])])
        raise PlanError(
            "rootfs",
            f"{_initrd_state(kernel)} {what}, and the tree has no tool to make an initrd",
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
    return path, (step,)


def _initrd_state(kernel: KernelInTree) -> str:
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
        "boot.kernels",
        f"{kernel.path} has no driver {' or '.join(drivers)}, neither built in nor as a module: "
        "it would not find the root filesystem",
        resolution="use a kernel of another flavour"
        + ("; or leave that machine out: verify: {qemu: false}" if drivers[0].startswith("virtio") else ""),
    )


def _holds(names: tuple[str, ...], drivers: tuple[str, ...]) -> bool:
    return not {_plain(name) for name in names}.isdisjoint(_plain(name) for name in drivers)


def _plain(module: str) -> str:
    return module.replace("-", "_")
