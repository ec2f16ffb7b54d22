"""What PV-GRUB (GRUB 0.97) can boot: the rules that refuse a recipe while planning, each with its source.

Sources: "guide" is the EC2 user guide's chapter on user-provided kernels (PV-GRUB 1.03); "tried" means seen on the
genuine loader, built from the public sources and booted under Xen 4.17.
"""

from __future__ import annotations

from imagebuild.errors import PlanError
from imagebuild.plan.facts import KernelInTree
from imagebuild.plan.layout import Area, partition_areas, volume_areas
from imagebuild.recipe.model import Architecture, Disk

# Filesystems that the loader reads its menu, kernels and initrds from. guide: ext2/3/4, XFS, ReiserFS, Btrfs (beta).
# This release makes the ext family for the loader; the others are refused here until they have been booted.
LOADER_READS = ("ext2", "ext3", "ext4")
# The loaders' decompressors: gzip, bzip2, lzo, xz, lzma by Amazon's, no lz4 and no zstd (tried: "not xen image").
LOADER_UNPACKS = ("gzip", "bzip2", "lzo", "xz", "lzma", "none")
# arch/x86/Kconfig: XEN_PV depends on X86_64 since Linux 5.9.
LAST_32_BIT_PV = (5, 8)


def loader_area(disk: Disk) -> Area:
    """The filesystem that the loader reads: /boot if it is one of its own, else /.

    Raises PlanError where PV-GRUB could not find or read it.
    """
    partitions = partition_areas(disk)
    everything = (*partitions, *volume_areas(disk))
    _check_mounts(everything)
    wanted = "/boot" if any(area.mount == "/boot" for area in everything) else "/"
    area = next(area for area in everything if area.mount == wanted)
    if area not in partitions:
        raise PlanError(
            f"{area.key}: PV-GRUB reads {wanted} itself, and it cannot read inside LVM",
            resolution="give the disk a separate boot partition outside the volume group, first on the disk: "
            "{mount: /boot, size: 256MiB, filesystem: ext3}",
        )
    if area is not partitions[0]:
        raise PlanError(
            f"{area.key}: {wanted} is partition {partitions.index(area) + 1}, "
            "but PV-GRUB expects the boot partition first",
            resolution=f"make the partition of {wanted} the first in disk.partitions",
        )
    assert area.filesystem is not None
    if area.filesystem.type not in LOADER_READS:
        raise PlanError(
            f"{area.key}.filesystem: PV-GRUB would have to read {wanted} from {area.filesystem.type}",
            resolution=f"use {', '.join(LOADER_READS)} for {wanted}"
            + ("" if wanted == "/boot" else ", or give /boot a partition of its own"),
        )
    return area


def _check_mounts(areas: tuple[Area, ...]) -> None:
    mounts = [area.mount for area in areas if area.mount]
    if "/" not in mounts:
        raise PlanError(
            "disk: no filesystem is mounted at /", resolution="add mount: / to the partition or volume of the root"
        )
    for area in areas:
        if area.mount and mounts.count(area.mount) > 1:
            raise PlanError(
                f"{area.key}.mount: {area.mount} is mounted twice", resolution="give each filesystem its own mountpoint"
            )


def check_groups(disk: Disk) -> None:
    """Every volume group has partitions and volumes, and every partition's group exists."""
    named = {area.volume_group for area in partition_areas(disk) if area.volume_group}
    for group in sorted(named - set(disk.volume_groups)):
        raise PlanError(
            f"disk.partitions: volume group {group} has no logical volumes",
            resolution=f"add disk.volume_groups.{group}, or take volume_group out",
        )
    for group, volumes in disk.volume_groups.items():
        if group not in named:
            raise PlanError(
                f"disk.volume_groups.{group}: no partition belongs to it",
                resolution=f"add a partition {{size: rest, volume_group: {group}}}",
            )
        names = [volume.name for volume in volumes]
        if len(set(names)) != len(names) or not names:
            raise PlanError(
                f"disk.volume_groups.{group}: it needs logical volumes with names of their own, "
                f"found {', '.join(names) or 'none'}",
                resolution="give each a name that no other volume of the group has",
            )
    if len(partition_areas(disk)) > 4:
        raise PlanError(
            "disk.partitions: an MBR holds four primary partitions at most",
            resolution="put the other filesystems into a volume group",
        )


def check_kernel(kernel: KernelInTree, architecture: Architecture) -> None:
    """Raises PlanError for a kernel that cannot start as a Xen PV guest under the image's loader."""
    if kernel.architecture != architecture:
        raise PlanError(
            f"architecture: {kernel.path} is a {kernel.architecture} kernel, the image is {architecture}",
            resolution="the kernel's, the image's and the loader's architecture must be the same",
        )
    if kernel.compression not in LOADER_UNPACKS:
        raise PlanError(
            f"boot.kernels: {kernel.path} is compressed with {kernel.compression}, which PV-GRUB cannot unpack",
            details=f"it unpacks {', '.join(LOADER_UNPACKS[:-1])}",
            resolution="install a kernel of another flavour (Debian: linux-image-amd64, not the cloud flavour)",
        )
    if architecture == "i386" and _numbers(kernel.version) > LAST_32_BIT_PV:
        raise PlanError(
            f"architecture: {kernel.path} (Linux {kernel.version}) cannot be a 32-bit Xen PV guest: "
            "Linux dropped them in 5.9",
            resolution="use an x86_64 image, or a kernel before 5.9",
        )


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split("-")[0].split(".")
    return tuple(int(part) for part in parts[:2] if part.isdigit())
