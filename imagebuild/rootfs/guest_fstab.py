"""An image's own /etc/fstab: which filesystems of it are mounted where.

Device names are those of the machine that the image ran on (sda1, xvda1, vda1, hda1; on RHEL 6 in EC2 xvde1): the disk
that its root line names is the image.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from imagebuild.errors import BuildError
from imagebuild.formats.fstab import read_fstab
from imagebuild.host.guest import Guest
from imagebuild.vocabulary import ROOT_TYPES

_DISK = re.compile(r"/dev/(?P<disk>(?:x?v|s|h)d[a-z]+|nvme\d+n\d+|mmcblk\d+)p?(?P<number>\d*)")
_FIRST_DISKS = ("sda", "vda", "xvda", "hda", "nvme0n1", "mmcblk0")
_ON_DISKS = (*ROOT_TYPES, "jfs", "vfat", "auto", "f2fs")
_OF_THE_SYSTEM = ("/usr", "/boot", "/var", "/opt", "/etc", "/lib", "/bin", "/sbin")


@dataclass(frozen=True, slots=True)
class Mount:
    """One line. `device` as written there."""

    device: str
    path: str
    subvolume: str | None

    def is_of_the_system(self) -> bool:
        """Whether the tree is not whole without it."""
        return any(self.path == directory or self.path.startswith(directory + "/") for directory in _OF_THE_SYSTEM)


def mounts_of(fstab: str) -> tuple[Mount, ...]:
    """The filesystems on disks that are mounted at boot beside the root, parents first."""
    found = []
    for line in read_fstab(fstab):
        parts = PurePosixPath(line.mountpoint).parts
        if line.type not in _ON_DISKS or parts[:1] != ("/",) or len(parts) == 1 or ".." in parts:
            continue
        if line.is_on("noauto", "auto") or line.is_bind:
            continue
        found.append(Mount(line.source, str(PurePosixPath(*parts)), line.value("subvol")))
    return tuple(sorted(found, key=lambda mount: len(PurePosixPath(mount.path).parts)))


def swap_files(fstab: str) -> tuple[str, ...]:
    """Swap areas that are files of the tree; the new fstab does not name them."""
    return tuple(
        line.source
        for line in read_fstab(fstab)
        if line.is_swap and line.source.startswith("/") and not line.source.startswith("/dev/")
        and ".." not in PurePosixPath(line.source).parts
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class GuestDisk:
    """What the appliance knows of the image: filesystems by device, UUID, label and partition UUID, logical volumes.

    `disk`: what the image's machine called its disk ("xvda"); None when its fstab does not say.
    """

    filesystems: dict[str, str]
    uuids: dict[str, str]
    labels: dict[str, str]
    partition_uuids: dict[str, str]
    disk: str | None

    @classmethod
    def ask(cls, guest: Guest, filesystems: dict[str, str], root: str, fstab: str) -> GuestDisk:
        """`root`: the root's device in the appliance."""
        devices = [device for device in filesystems if device.startswith("/dev/")]
        root_line = next((line.source for line in read_fstab(fstab) if line.mountpoint == "/"), "")
        match = _DISK.fullmatch(root_line)
        return cls(
            filesystems=filesystems,
            uuids={_try(guest, "vfs_uuid", device).lower(): device for device in devices},
            labels={_try(guest, "vfs_label", device): device for device in devices},
            partition_uuids=_partition_uuids(guest, devices),
            disk=match["disk"] if match and root.startswith("/dev/sda") else None,
        )

    def device(self, name: str) -> str | None:
        """The appliance's name for what fstab calls `name`; None when the image does not hold it."""
        key, _, value = name.partition("=")
        if match := re.fullmatch(r"/dev/disk/by-(uuid|label|partuuid)/(.+)", name):
            key, value = match[1].upper(), match[2]
        value = value.strip("\"'")
        if key in ("UUID", "LABEL", "PARTUUID"):
            known = {"UUID": self.uuids, "LABEL": self.labels, "PARTUUID": self.partition_uuids}[key]
            return known.get(value if key == "LABEL" else value.lower())
        if name.startswith("/dev/mapper/"):
            group, _, volume = re.sub(r"(?<!-)-(?!-)", "/", name.removeprefix("/dev/mapper/"), count=1).partition("/")
            name = f"/dev/{group}/{volume}".replace("--", "-")
        elif match := _DISK.fullmatch(name):
            if match["disk"] != self.disk and (self.disk is not None or match["disk"] not in _FIRST_DISKS):
                return None
            name = f"/dev/sda{match['number']}"
            if name == "/dev/sda1" and "/dev/sda" in self.filesystems:
                name = "/dev/sda"  # a disk without partitions, which EC2 hands over as sda1
        return name if name in self.filesystems else None


def _try(guest: Guest, call: str, device: str) -> str:
    try:
        return str(guest.call(call, device))
    except BuildError:
        return ""


def _partition_uuids(guest: Guest, devices: list[str]) -> dict[str, str]:
    """GPT's own; an MBR's are its signature and the partition's number, as Linux and blkid write them."""
    partitions = [device for device in devices if re.fullmatch(r"/dev/sda\d+", device)]
    found = {guest.call("blkid", device).get("PART_ENTRY_UUID", "").lower(): device for device in partitions}
    return {uuid: device for uuid, device in found.items() if uuid}
