"""PCs that start from boot code: what QEMU is told, and what their consoles say."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from imagebuild.errors import HostError
from imagebuild.host.ovmf import find_ovmf
from imagebuild.report import BootEnd
from imagebuild.verify import signs
from imagebuild.verify.console import Console
from imagebuild.verify.firmware import FIRMWARES, machine_arguments
from imagebuild.vocabulary import MachineName

MENU = "timeout 3\ntitle Debian\nkernel /vmlinuz console=ttyS0\n"
BIOS = b"SeaBIOS (version 1.16.2-debian-1.16.2-1)\r\nBooting from Hard Disk...\r\n"
UEFI = b'BdsDxe: loading Boot0001 "UEFI Misc Device" from PciRoot(0x0)/Pci(0x2,0x0)\r\n'
GRUB = b"GRUB loading.\r\nWelcome to GRUB!\r\n\r\nimagebuild: boot code on hd0\r\nimagebuild: menu (hd0,1)/menu.lst\r\n"
KERNEL = GRUB + b"[    0.000000] Linux version 6.1.0\r\n"


def heard(machine: MachineName, data: bytes) -> Console:
    found = FIRMWARES[machine]
    console = Console(
        signs.pc_signs(found.signs, "login:", MENU), signs.pc_fatals(found.fatals, menu_waits=False), io.BytesIO()
    )
    console.feed(data, 1.0)
    return console


@pytest.mark.parametrize(("machine", "start"), [("bios", BIOS), ("uefi", UEFI)])
def test_the_firmwares_stages_are_milestones(machine: MachineName, start: bytes) -> None:
    console = heard(machine, start + KERNEL + b"\r\ndebian login: ")
    assert [item.name for item in console.milestones] == ["firmware", "boot code", "menu", "kernel", "login"]
    assert console.ending is not None
    assert console.ending.end is BootEnd.REACHED


@pytest.mark.parametrize(
    ("machine", "data", "says"),
    [
        ("bios", BIOS + b"Boot failed: not a bootable disk\r\n", "no boot code in the first sector"),
        ("bios", b"SeaBIOS (version 1)\r\nNo bootable device.\r\n", "no bootable device"),
        ("bios", BIOS + b"GRUB Read Error", "boot.img could not read the core"),
        ("bios", BIOS + GRUB + b"error: unknown filesystem.\r\nEntering rescue mode...\r\ngrub rescue> ", "rescue"),
        ("bios", BIOS + GRUB + b"imagebuild: boot code gave up: no menu\r\n", "boot code that gave up"),
        ("bios", BIOS + GRUB + b"grub> ", "the loader's own prompt"),
        ("uefi", UEFI + b"BdsDxe: failed to start Boot0001\r\n", "a boot loader that the firmware cannot start"),
        ("uefi", b"BdsDxe: No bootable option or device was found.\r\n", "no bootable device"),
        ("uefi", UEFI + b"Shell> ", "no bootable device"),
        ("uefi", UEFI + KERNEL + b"Kernel panic - not syncing: VFS\r\n", "the kernel gave up"),
    ],
)
def test_what_ends_a_boot_is_told_apart(machine: MachineName, data: bytes, says: str) -> None:
    console = heard(machine, data)
    assert console.ending is not None
    assert console.ending.end is BootEnd.FATAL
    assert console.ending.blames == "image"
    assert says in console.ending.detail


def test_disks_are_attached_as_the_recipe_says() -> None:
    bios = FIRMWARES["bios"]
    assert "graphics=off" in machine_arguments(bios, "tcg", 2**29)
    assert "virtio-blk-pci,drive=image" in machine_arguments(bios, "tcg", 2**29)
    assert "nvme,drive=image,serial=image" in machine_arguments(bios, "tcg", 2**29, "nvme")
    assert "scsi-hd,drive=image" in machine_arguments(bios, "tcg", 2**29, "scsi")


def test_without_ovmf_the_package_is_named(tmp_path: Path) -> None:
    places = ((str(tmp_path / "code"), str(tmp_path / "variables")),)
    with pytest.raises(HostError) as caught:
        find_ovmf(places)
    assert "Debian package ovmf" in caught.value.resolution
    for name in ("code", "variables"):
        (tmp_path / name).write_bytes(b"")
    assert find_ovmf(places) == (tmp_path / "code", tmp_path / "variables")
