"""The one door to parted: partition tables on plain files, without root and without loop devices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import parted

from imagebuild.errors import BuildError
from imagebuild.host import gpt

# The MBR's 32-bit disk signature (UEFI specification, 5.2.1 "Legacy Master Boot Record").
_MBR_SIGNATURE_OFFSET = 440
# What libparted calls the filesystem whose MBR type code we want; only the code is written, no filesystem is made.
_TYPE_NAMES = {0x83: "ext4", 0x82: "linux-swap(v1)", 0x0C: "fat32", 0xEF: "fat32"}
# libparted's flags that make a type (its disk.h); pyparted 3.13 names the first alone.
_TYPE_FLAGS = {0x8E: parted.PARTITION_LVM, 0xEF02: 12, 0xEF: 18}


@dataclass(frozen=True, slots=True)
class PartitionSpan:
    """One partition; `type_code` is MBR's (0x83 Linux, 0x82 swap, 0x8e LVM, 0x0c FAT32, 0xef EFI system partition), or
    0xef02 for a BIOS boot partition, which a GPT alone has. `uuid`: its own, in a GPT."""

    start_sector: int
    sectors: int
    type_code: int
    bootable: bool
    uuid: str | None = None


def write_table(
    path: Path, table: Literal["mbr", "gpt"], identity: int | str, partitions: Sequence[PartitionSpan]
) -> None:
    """Write a fresh partition table into a file. Raises BuildError with parted's own message.

    The sectors are taken as they are (the planner has aligned them); nothing is rounded. `identity`: the MBR's 32-bit
    signature or the GPT's GUID, computed and not drawn: libparted draws its own, which are replaced.
    """
    try:
        device = parted.getDevice(str(path))
        disk = parted.freshDisk(device, {"mbr": "msdos", "gpt": "gpt"}[table])
        for span in partitions:
            disk.addPartition(
                _partition(device, disk, span), constraint=parted.Constraint(exactGeom=_geometry(device, span))
            )
        disk.commitToDevice()
        device.removeFromCache()
    except (parted.DiskException, parted.IOException, parted.PartitionException, parted.DeviceException) as error:
        raise BuildError("writing the partition table failed", details=str(error)) from error
    with path.open("r+b") as image:
        if isinstance(identity, int):
            image.seek(_MBR_SIGNATURE_OFFSET)
            image.write(identity.to_bytes(4, "little"))
        else:
            gpt.set_identities(image, identity, [span.uuid or "" for span in partitions])


def _geometry(device: Any, span: PartitionSpan) -> Any:
    return parted.Geometry(device=device, start=span.start_sector, length=span.sectors)


def _partition(device: Any, disk: Any, span: PartitionSpan) -> Any:
    name = _TYPE_NAMES.get(span.type_code)
    geometry = _geometry(device, span)
    filesystem = parted.FileSystem(type=name, geometry=geometry) if name else None
    partition = parted.Partition(disk=disk, type=parted.PARTITION_NORMAL, fs=filesystem, geometry=geometry)
    if (flag := _TYPE_FLAGS.get(span.type_code)) is not None:
        partition.setFlag(flag)
    if span.bootable:
        partition.setFlag(parted.PARTITION_BOOT)
    return partition
