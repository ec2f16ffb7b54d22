"""Which kernels can start as a Xen PV guest under the image's loader: each rule with its source.

"guide" is the EC2 user guide's chapter on user-provided kernels (PV-GRUB 1.03); "tried" means seen on the genuine
loader, built from the public sources and booted under Xen 4.17.
"""

from __future__ import annotations

from imagebuild.bootloaders.table import LOADERS
from imagebuild.errors import PlanError
from imagebuild.formats.foreign import number_or_none
from imagebuild.plan.facts import KernelInTree
from imagebuild.recipe.model import Recipe
from imagebuild.vocabulary import Architecture, BootLoader

# What formats/repack.py can undo.
_REPACKED = ("lz4", "zstd", "xz", "lzma", "bzip2")
# arch/x86/Kconfig: XEN_PV depends on X86_64 since Linux 5.9.
_LAST_32_BIT_PV = (5, 8)
# guide: 2.6.32 to 2.6.38 need a patch, "Patching vanilla or other distribution kernels (PVOps)".
# Debian's releases since 11 have Linux 5.10 and later; 10 has 4.19.
_SUITES_WITHOUT_32_BIT_PV = frozenset({
    "bullseye", "bookworm", "trixie", "forky", "duke", "sid", "oldoldstable", "oldstable", "stable", "testing",
    "unstable",
})  # fmt: skip
_XSAVE = ((2, 6, 32), (2, 6, 38))


def check_kernel(kernel: KernelInTree, architecture: Architecture, loader: BootLoader, *, repack: bool) -> None:
    """Raises PlanError for a kernel that the loader cannot start, or that cannot be a Xen PV guest."""
    if kernel.architecture != architecture:
        raise PlanError(
            "architecture",
            f"{kernel.path} is a {kernel.architecture} kernel, the image is {architecture}",
            resolution="the kernel's, the image's and the loader's architecture must be the same",
        )
    if kernel.xen_pv is False:
        raise PlanError(
            "boot.kernels",
            f"{kernel.path} is not built as a Xen PV guest, according to the configuration beside it",
            resolution="use a kernel with CONFIG_XEN_PV=y (before Linux 4.12: CONFIG_XEN=y)",
        )
    if architecture == "i386" and _numbers(kernel.version)[:2] > _LAST_32_BIT_PV:
        raise PlanError(
            "architecture",
            f"{kernel.path} (Linux {kernel.version}) cannot be a 32-bit Xen PV guest: Linux dropped them in 5.9",
            resolution="use an x86_64 image, or a kernel before 5.9",
        )
    if must_repack(kernel, loader) and not repack:
        raise _not_unpacked(kernel, loader)


def check_suite(recipe: Recipe) -> None:
    """Raises PlanError for a 32-bit tree whose kernel would come from a suite that has none for a PV guest.

    That is known before the tree is made; of other suites and sources the tree tells (`check_kernel`).
    """
    debian = recipe.rootfs.debian
    if recipe.architecture != "i386" or debian is None or debian.suite not in _SUITES_WITHOUT_32_BIT_PV:
        return
    own_only = bool(recipe.boot.kernels) and all(kernel.files for kernel in recipe.boot.kernels)
    if any(name.startswith("linux-image-") for name in debian.packages) and not own_only:
        raise PlanError(
            "architecture",
            f"{debian.suite}'s kernels cannot be 32-bit Xen PV guests: Linux dropped them in 5.9",
            resolution="use an x86_64 image, or name a kernel before 5.9 in boot.kernels",
        )


def must_repack(kernel: KernelInTree, loader: BootLoader) -> bool:
    """Whether only the payload's compression is in the way. Raises PlanError where repacking would not help."""
    if LOADERS[loader].can_unpack(kernel.compression):
        return False
    if kernel.compression not in _REPACKED:
        raise _not_unpacked(kernel, loader)
    return True


def notes_on_kernel(kernel: KernelInTree) -> tuple[str, ...]:
    """What a reader of the plan should know about it."""
    first, last = _XSAVE
    if first <= _numbers(kernel.version) <= last:
        return (
            f"{kernel.path}: pvops kernels 2.6.32 to 2.6.38 crash on machines with XSAVE unless patched (user guide: "
            "&= ~X86_CR4_OSXSAVE in arch/x86/xen/enlighten.c); 2.6.39 and later work as they are",
        )
    return ()


def _not_unpacked(kernel: KernelInTree, loader: BootLoader) -> PlanError:
    name = LOADERS[loader].starter
    details = f"it unpacks {', '.join(LOADERS[loader].unpacks)}"
    if kernel.compression == "unknown":
        return PlanError(
            "boot.kernels",
            f"{kernel.path} has no payload that {name} could unpack",
            details=f"{details}; a bzImage names its payload since boot protocol 2.08 (Linux 2.6.26)",
            resolution="use a newer kernel, or the uncompressed vmlinux of this one",
        )
    return PlanError(
        "boot.kernels",
        f"{kernel.path} is compressed with {kernel.compression}, which {name} cannot unpack",
        details=details,
        resolution="set boot.repack: gzip, which appends the same kernel, compressed with gzip"
        if kernel.compression in _REPACKED
        else "install a kernel of another flavour",
    )


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split("-")[0].split(".")
    numbers = (number_or_none(part) for part in parts[:3])
    return tuple(number for number in numbers if number is not None)
