"""Boot code that our readers take for GRUB's; nothing in it can run. And images that carry it."""

from __future__ import annotations

import io
import lzma
import struct
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from imagebuild.formats.grub_boot import first_sector, placed_core
from tests.images import Filesystem, make_partitioned, noise, root_only, run, separate_boot

_MIB = 2**20
BOOT_IMG = (
    b"\xeb\x63\x90" + bytes(0x5A - 3) + struct.pack("<HQ", 0x8000, 1) + b"\xff\0\xeb\x05" + bytes(0x180 - 0x68)
    + b"GRUB \0Geom\0Hard Disk\0Read\0 Error\r\n"
).ljust(512, b"\0")  # fmt: skip
CONFIGURATION = 'for path in /boot/grub/menu.lst /grub/menu.lst; do legacy_configfile "($disk,1)$path"; done\n'


def memdisk(configuration: str = CONFIGURATION) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        member = tarfile.TarInfo("boot/grub/grub.cfg")
        member.size = len(configuration)
        archive.addfile(member, io.BytesIO(configuration.encode()))
    return output.getvalue()


def bios_core(*, version: str = "2.06-13+deb12u2", configuration: str = CONFIGURATION) -> bytes:
    """A core with a decompressor of noise and a payload that unpacks."""
    parts = [noise(3000, 5), b"\0" + version.encode() + b"\0", memdisk(configuration)]
    modules = b"".join(struct.pack("<II", kind, 8 + len(part)) + part for kind, part in enumerate(parts))
    content = noise(900, 6) + b"mimg" + struct.pack("<II", 12, 12 + len(modules)) + modules
    packed = lzma.compress(
        content, lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA1, "lc": 3, "lp": 0, "pb": 2, "dict_size": 2**16}]
    )
    decompressor = bytes(8) + struct.pack("<II", len(packed), len(content)) + bytes([1]) * 1000
    return bytes(512) + decompressor + packed


def efi_program(
    *, machine: int = 0x8664, version: str = "2.06-13+deb12u2", configuration: str = CONFIGURATION
) -> bytes:
    head = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x80)
    coff = b"PE\0\0" + struct.pack("<H", machine) + bytes(18) + bytes(68) + struct.pack("<H", 10)
    return head.ljust(0x80, b"\0") + coff + bytes(64) + b"\0" + version.encode() + b"\0" + memdisk(configuration)


def fat(files: dict[str, bytes], size_bytes: int = 34 * _MIB) -> bytes:
    """FAT32 with these files, by their whole paths."""
    with tempfile.TemporaryDirectory() as name:
        area = Path(name) / "fat"
        area.write_bytes(bytes(size_bytes))
        run("mkfs.fat", "-F", "32", "-s", "1", "-i", "1234ABCD", str(area))
        run("mmd", "-i", str(area), "::/EFI", "::/EFI/BOOT")
        for path, content in files.items():
            (Path(name) / "file").write_bytes(content)
            run("mcopy", "-i", str(area), str(Path(name) / "file"), f"::{path}")
        return area.read_bytes()


def efi_partition(**changes: bytes) -> Filesystem:
    """An EFI system partition with these files in EFI/BOOT instead of a good BOOTX64.EFI."""
    files = changes or {"BOOTX64.EFI": efi_program()}
    content = fat({f"/EFI/BOOT/{name}": data for name, data in files.items()})
    return Filesystem(None, "raw", raw=content, size_bytes=len(content), partition_type="ef")


def listed(start_sector: int, sectors: int) -> Callable[[bytearray], None]:
    """A core that says of itself that it lies there."""

    def change(head: bytearray) -> None:
        struct.pack_into("<QH", head, 512 + 500, start_sector, sectors)

    return change


def jumping_to(sector: int) -> Callable[[bytearray], None]:
    return lambda head: struct.pack_into("<Q", head, 0x5C, sector)


def damaged(head: bytearray) -> None:
    head[512 + 1800 : 512 + 1900] = bytes(100)


def for_pcs(
    target: Path,
    *,
    label: Literal["dos", "gpt"] = "dos",
    core: bytes | None = None,
    start_sector: int = 1,
    esp: Filesystem | None = None,
    boot: Filesystem | None = None,
    change: Callable[[bytearray], None] | None = None,
) -> Path:
    """An hd00 image with boot code for BIOS and UEFI. `change` spoils its first MiB."""
    parts = [boot or separate_boot(), root_only(), esp or efi_partition()]
    make_partitioned(target, *parts, label=label)
    with target.open("r+b") as image:
        head = bytearray(image.read(_MIB))
        head[:512] = first_sector(BOOT_IMG, bytes(head[:512]), start_sector)
        placed = placed_core(core or bios_core(), start_sector)
        head[start_sector * 512 : start_sector * 512 + len(placed)] = placed
        if change:
            change(head)
        image.seek(0)
        image.write(head)
    return target
