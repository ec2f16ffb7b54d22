"""How a machine starts an image, one row a mode: what the image needs for it, and what its kernel and menu need.

PV and PVH guests get their loader from the host. A PC's BIOS and UEFI start what lies in the image: a core of GRUB 2
with a small archive inside (`memdisk`) that holds grub.cfg, which hands the image's own menu.lst to GRUB 2's reader of
such menus (legacy_configfile). A configuration embedded without that archive is read by the rescue parser, which knows
no `if` (tried).

Sources: boots of all four modes with one unchanged menu.lst (QEMU 7.2, GRUB 2.06, OVMF 2022.11, Xen 4.17). `linux16`
belongs in the BIOS core: legacy_configfile's `kernel` runs that on a PC, and without it says "couldn't load file".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from imagebuild.vocabulary import BootMode, MachineName

DEFAULT_MODES: tuple[BootMode, ...] = ("pv",)
XEN_CONSOLE = "console=hvc0"
SERIAL_CONSOLE = "console=ttyS0"
_PC_CONSOLES = ("console=tty0", f"{SERIAL_CONSOLE},115200n8")
_XEN_DISK = (("xen-blkfront", "xenblk"),)
# What QEMU's fastest disk wants; the rest are disks of clouds and of hardware, taken along where the kernel has them.
_PC_DISK = (("virtio_blk",), ("virtio_pci",))
_PC_DISKS_TOO = ("virtio_scsi", "sd_mod", "nvme", "ahci", "ata_piix")
_MODULES = (
    "configfile", "echo", "gzio", "legacycfg", "linux", "ls", "lzopio", "memdisk", "normal", "part_gpt", "part_msdos",
    "regexp", "serial", "sleep", "tar", "terminal", "test", "xzio",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class BootCode:
    """What lies in the image: GRUB 2's core for `platform`, made of the Debian package `package`, with `modules`
    and those for the filesystems that a recipe may name (filesystems/).

    `path`: its place on the EFI system partition; empty for the BIOS, whose core lies between or in partitions.
    `first`: the package's file for the disk's first sector; empty where there is none.
    """

    platform: str
    package: str
    modules: tuple[str, ...]
    core: str
    path: str = ""
    first: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """`machine`: the one that proves it. `consoles`: arguments of the kernel. `drivers`: of each need any one meets it;
    `more_drivers`: taken along where the kernel has them."""

    name: BootMode
    title: str
    machine: MachineName
    consoles: tuple[str, ...]
    drivers: tuple[tuple[str, ...], ...]
    more_drivers: tuple[str, ...] = ()
    code: BootCode | None = None


_BIOS_CODE = BootCode(
    platform="i386-pc", package="grub-pc-bin", modules=tuple(sorted((*_MODULES, "biosdisk", "linux16"))),
    core="core.img", first="boot.img",
)  # fmt: skip
_UEFI_CODE = BootCode(
    platform="x86_64-efi", package="grub-efi-amd64-bin",
    modules=tuple(sorted((*_MODULES, "all_video", "efi_gop", "fat"))), core="BOOTX64.EFI", path="EFI/BOOT/BOOTX64.EFI",
)  # fmt: skip

MODES: Mapping[BootMode, Mode] = {
    mode.name: mode
    for mode in (
        Mode(name="pv", title="Xen PV", machine="xen", consoles=(XEN_CONSOLE,), drivers=_XEN_DISK),
        Mode(name="pvh", title="Xen PVH", machine="pvh", consoles=(XEN_CONSOLE,), drivers=_XEN_DISK),
        Mode(
            name="bios", title="a PC's BIOS", machine="bios", consoles=_PC_CONSOLES, drivers=_PC_DISK,
            more_drivers=_PC_DISKS_TOO, code=_BIOS_CODE,
        ),
        Mode(
            name="uefi", title="UEFI", machine="uefi", consoles=_PC_CONSOLES, drivers=_PC_DISK,
            more_drivers=_PC_DISKS_TOO, code=_UEFI_CODE,
        ),
    )
}  # fmt: skip
CODES: tuple[BootCode, ...] = tuple(mode.code for mode in MODES.values() if mode.code)


def consoles_of(modes: Iterable[BootMode]) -> str:
    """The kernel's console arguments for all of them, Xen's last: the last that is there becomes /dev/console."""
    found = dict.fromkeys(argument for mode in modes for argument in MODES[mode].consoles)
    return " ".join(sorted(found, key=lambda argument: argument == XEN_CONSOLE))


def has_own_code(modes: Iterable[BootMode]) -> bool:
    """Whether the image carries boot code of its own."""
    return any(MODES[mode].code for mode in modes)
