"""The boot code that an image carries, as far as it is GRUB 2's or lies where UEFI looks for it: found, not judged."""

from __future__ import annotations

import io
import os
import tarfile
from dataclasses import dataclass

from imagebuild.formats.grub_boot import (
    SECTOR_BYTES,
    Stretch,
    core_start,
    core_stretches,
    grub_version,
    unpacked_core,
)
from imagebuild.formats.pe import REMOVABLE_PATHS
from imagebuild.image.places import Partition, Place
from imagebuild.image.readers import ReadError
from imagebuild.image.subject import Subject
from imagebuild.vocabulary import MachineName

ESP_TYPES = ("ef", "c12a7328-f81f-11d2-ba4b-00a0c93ec93b")
BIOS_BOOT_TYPE = "21686148-6449-6e6f-744e-656564454649"
_MOST_EFI_BYTES = 64 * 2**20
_CONFIGURATION = "boot/grub/grub.cfg"
_MEMBER_NAME_BYTES = 257  # up to the magic word of a ustar header


@dataclass(frozen=True, slots=True)
class BiosCode:
    """boot.img of GRUB 2 in the first sector, and what it leads to.

    `start_sector`: where it jumps. `stretches`: where the core says that it lies; None where there is no core. `core`:
    its bytes, as far as the disk has them; `unpacked`: what is in it, None where it is damaged.
    """

    start_sector: int
    stretches: tuple[Stretch, ...] | None
    core: bytes
    unpacked: bytes | None

    @property
    def version(self) -> str:
        return grub_version(self.unpacked or b"")


@dataclass(frozen=True, slots=True)
class EfiCode:
    """What a firmware starts on an EFI system partition. `content` None: `problem` says why it cannot be read."""

    place: Place
    path: str
    content: bytes | None
    problem: str = ""

    @property
    def version(self) -> str:
        return grub_version(self.content or b"")


def bios_code(subject: Subject) -> BiosCode | None:
    """None where the first sector holds no boot.img of GRUB 2, whatever else may be there."""
    with subject.raw.open("rb") as file:
        start = core_start(os.pread(file.fileno(), SECTOR_BYTES, 0))
        if start is None:
            return None
        stretches = core_stretches(start, _read(file.fileno(), Stretch(start, 1)))
        core = b"".join(_read(file.fileno(), item) for item in stretches or ())
    return BiosCode(start, stretches, core, unpacked_core(core))


def _read(handle: int, stretch: Stretch) -> bytes:
    """The sectors; empty behind the disk's end."""
    try:
        return os.pread(handle, stretch.sectors * SECTOR_BYTES, stretch.start_sector * SECTOR_BYTES)
    except (OSError, OverflowError, ValueError):
        return b""


def partitions_of(subject: Subject, types: tuple[str, ...]) -> list[Partition]:
    """The partitions of these types (an MBR's code or a GPT's GUID, in lower case)."""
    return [item for item in (subject.table.partitions if subject.table else ()) if item.type.lower() in types]


def efi_codes(subject: Subject) -> list[EfiCode]:
    """What a firmware finds on each EFI system partition, a file for each machine."""
    found = []
    for partition in partitions_of(subject, ESP_TYPES):
        place = subject.place(f"(hd0,{partition.number - 1})")
        for path in REMOVABLE_PATHS.values() if place else ():
            assert place is not None
            try:
                found.append(EfiCode(place, path, subject.read(place, path, _MOST_EFI_BYTES)))
            except ReadError as error:
                if error.kind != "missing":
                    found.append(EfiCode(place, path, None, str(error)))
    return found


def embedded_configuration(content: bytes) -> str | None:
    """grub.cfg of the archive (memdisk) inside a core; None where it has none and reads its settings from the disk."""
    at = content.find(_CONFIGURATION.encode() + b"\0")
    if at < 0 or content[at + _MEMBER_NAME_BYTES : at + _MEMBER_NAME_BYTES + 5] != b"ustar":
        return None
    try:
        with tarfile.open(fileobj=io.BytesIO(content[at:]), mode="r:") as archive:
            member = archive.next()
            file = archive.extractfile(member) if member else None
            return file.read().decode("utf-8", "replace") if file else None
    except (tarfile.TarError, OSError, ValueError):
        return None


def claimed_machines(subject: Subject) -> tuple[MachineName, ...]:
    """The machines that an image makes itself out to start on: the static checks, Xen for its menu, and a PC's BIOS and
    UEFI where it has GRUB 2's boot code or a loader on an EFI system partition; QEMU's own loader where it has neither.

    That a kernel could be a PVH guest is no claim: nothing in the image is made for that.
    """
    pc: list[MachineName] = []
    if bios_code(subject):
        pc.append("bios")
    if any(code.path == REMOVABLE_PATHS["x86_64"] for code in efi_codes(subject)):
        pc.append("uefi")
    return ("static", *(("xen", *pc) if pc else ("qemu", "xen")))
