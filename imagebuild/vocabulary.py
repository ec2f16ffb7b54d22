"""The closed words of the field, each declared once. Imports nothing of imagebuild, so that `--help` is fast."""

from __future__ import annotations

from typing import Literal, get_args

Architecture = Literal["x86_64", "i386"]
Layout = Literal["hd0", "hd00"]
"""What PV-GRUB sees: `hd0` is one filesystem without a partition table, `hd00` a partitioned disk."""
BootLoader = Literal["pv-grub", "pygrub", "pvgrub2"]
DEFAULT_LOADER: BootLoader = "pv-grub"
GENUINE: Literal["pv-grub"] = "pv-grub"
Required = Literal["pv-grub", "fallback"]
"""What `--require` asks for beyond a verdict: a boot by the genuine loader, a fallback that boots."""
StarterKind = Literal["pv-grub", "stand-in", "direct", "own"]
"""What starts a booted image: a genuine PV-GRUB, what stands in for one, the machine itself, or its own boot code."""
ExtType = Literal["ext2", "ext3", "ext4"]
EXT_TYPES: tuple[ExtType, ...] = get_args(ExtType)
RootType = Literal["ext2", "ext3", "ext4", "xfs", "btrfs", "reiserfs"]
"""The filesystems that can hold a root tree."""
ROOT_TYPES: tuple[RootType, ...] = get_args(RootType)
USUAL_ROOT: RootType = "ext4"
"""Proposed where nobody says otherwise."""
FilesystemType = Literal["ext2", "ext3", "ext4", "xfs", "btrfs", "reiserfs", "vfat", "swap"]
OutputFormat = Literal["raw", "raw.zst", "qcow2", "vmdk", "vhd"]
BootMode = Literal["pv", "pvh", "bios", "uefi"]
"""How a machine starts an image: as a Xen PV or PVH guest, or by boot code of its own as a PC does."""
BOOT_MODES: tuple[BootMode, ...] = get_args(BootMode)
MachineName = Literal["static", "qemu", "xen", "pvh", "bios", "uefi"]
"""What judges an image: `static` reads it, the others boot it (`xen`: as a PV guest; `qemu`: its kernel alone)."""
MACHINES: tuple[MachineName, ...] = get_args(MachineName)
BOOTING = ("qemu", "xen", "pvh", "bios", "uefi")
"""Those that boot."""
Ec2BootMode = Literal["legacy-bios", "uefi", "uefi-preferred"]
"""How EC2 starts an HVM image (RegisterImage, BootMode)."""
DiskBus = Literal["virtio", "scsi", "nvme", "ide"]
"""How QEMU attaches the disk of a PC."""
Accelerator = Literal["kvm", "tcg"]
InitrdTool = Literal["initramfs-tools", "dracut", "mkinitrd-redhat", "mkinitrd-suse"]
# What each machine makes for itself (formats/machine_traces.py says what belongs to each).
TraceName = Literal[
    "machine-id", "ssh-host-keys", "cloud-init", "random-seed", "dhcp-leases", "network-names", "package-caches",
    "logs", "shell-histories",
]  # fmt: skip
