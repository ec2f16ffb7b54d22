"""What is asked of EC2, as data: built here for the real run and for --dry-run alike. Pure.

Sources: Amazon EC2 API reference (RegisterImage, CopySnapshot, ModifyImageAttribute), EBS direct API (StartSnapshot,
PutSnapshotBlock, CompleteSnapshot). Upstream PV-GRUB numbers its disks by device number: without a partition table the
root must be registered as /dev/sda1, with one as /dev/sda, or another disk may become hd0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from imagebuild.errors import PublishError
from imagebuild.formats.first_sectors import TableKind
from imagebuild.publish.ec2.instance_families import Virtualization
from imagebuild.vocabulary import Architecture, Ec2BootMode

Store = Literal["ebs", "instance-store"]

BLOCK_BYTES = 512 * 1024
"""The EBS direct API's only block size."""
SHA256_TAG = "imagebuild:sha256"
_NAME = re.compile(r"[A-Za-z0-9()\[\] ./\-'@_]{3,128}")
_EPHEMERAL = re.compile(r"ephemeral\d{1,2}")
_DEVICE = re.compile(r"(/dev/)?[a-z]{2,4}\d{0,2}")


@dataclass(frozen=True, slots=True)
class Registration:
    """One image as it shall be registered in one region.

    `kernel_id` is given for paravirtual images only. `snapshot_id` belongs to ebs, `location` (bucket/…manifest.xml)
    to instance-store. `mappings`: pairs of virtual name (ephemeral0) and device.
    """

    name: str
    sha256: str
    store: Store
    architecture: Architecture
    virtualization: Virtualization
    table: TableKind
    kernel_id: str | None
    volume_gib: int
    volume_type: str = "gp2"
    description: str = ""
    boot_mode: Ec2BootMode | None = None
    ena: bool = False
    mappings: tuple[tuple[str, str], ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    snapshot_id: str | None = None
    location: str | None = None

    @property
    def root_device(self) -> str:
        """/dev/sda1 without a partition table, /dev/sda with one (paravirtual); /dev/xvda for HVM."""
        if self.virtualization == "hvm":
            return "/dev/xvda"
        return "/dev/sda1" if self.table == "none" else "/dev/sda"


def volume_gib(size_bytes: int) -> int:
    return -(-size_bytes // 2**30)


def all_tags(sha256: str, name: str, extra: Mapping[str, str]) -> dict[str, str]:
    """The user's tags, and the two by which a later run finds what was done."""
    return {"Name": name, **extra, SHA256_TAG: sha256}


def check_name(name: str) -> str:
    """Raises PublishError for what RegisterImage would refuse."""
    if not _NAME.fullmatch(name):
        raise PublishError(
            f"{name!r} cannot be the name of an AMI",
            details="allowed: 3 to 128 letters, digits and ( ) [ ] space . / - ' @ _",
            resolution="choose another with --name",
        )
    return name


def check_tags(tags: Mapping[str, str]) -> Mapping[str, str]:
    for key in tags:
        if not key or key.startswith("aws:") or key == SHA256_TAG or len(key) > 127 or len(tags[key]) > 255:
            raise PublishError(
                f"the tag {key!r} cannot be given",
                details=f"keys: 1 to 127 characters, not starting with aws:, not {SHA256_TAG}; values: up to 255",
                resolution="choose another tag",
            )
    return tags


def parse_mapping(text: str) -> tuple[str, str]:
    """`VIRTUAL=DEVICE`, such as ephemeral0=sdb or ami=sda1. Raises PublishError."""
    virtual, _, device = text.partition("=")
    if not re.fullmatch(r"[a-z]+\d{0,2}", virtual) or not _DEVICE.fullmatch(device):
        raise PublishError(
            f"{text!r} is not a block device mapping",
            resolution="write VIRTUAL=DEVICE, such as ephemeral0=sdb, ami=sda1 or root=/dev/sda1",
        )
    return virtual, device


def register_request(wanted: Registration) -> dict[str, Any]:
    """RegisterImage's parameters. Never a RamdiskId: PV-GRUB takes the initrd from the image."""
    request: dict[str, Any] = {
        "Name": wanted.name,
        "Description": wanted.description or f"imagebuild, sha256 {wanted.sha256}",
        "Architecture": wanted.architecture,
        "VirtualizationType": wanted.virtualization,
        "TagSpecifications": [_tagged("image", wanted)],
    }
    if wanted.kernel_id:
        request["KernelId"] = wanted.kernel_id
    if wanted.boot_mode:
        request["BootMode"] = wanted.boot_mode
    if wanted.ena and wanted.virtualization == "hvm":
        request["EnaSupport"] = True
    mappings = [
        {"DeviceName": _full(device), "VirtualName": virtual}
        for virtual, device in wanted.mappings
        if _EPHEMERAL.fullmatch(virtual)
    ]
    if wanted.store == "instance-store":
        request["ImageLocation"] = wanted.location
    else:
        request["RootDeviceName"] = wanted.root_device
        mappings.insert(0, _root_mapping(wanted))
    if mappings:
        request["BlockDeviceMappings"] = mappings
    return request


def start_snapshot_request(wanted: Registration) -> dict[str, Any]:
    """StartSnapshot's parameters; the tags come with the snapshot, so that no snapshot is ever without them."""
    tags = all_tags(wanted.sha256, wanted.name, wanted.tags)
    return {
        "VolumeSize": wanted.volume_gib,
        "Description": f"imagebuild, sha256 {wanted.sha256}",
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
        "Timeout": 60,
    }


def copy_snapshot_request(wanted: Registration, source_region: str, snapshot_id: str) -> dict[str, Any]:
    """CopySnapshot's parameters, sent to the region that the copy shall be in."""
    return {
        "SourceRegion": source_region,
        "SourceSnapshotId": snapshot_id,
        "Description": f"imagebuild, sha256 {wanted.sha256}",
        "TagSpecifications": [_tagged("snapshot", wanted)],
    }


def launch_permissions(accounts: tuple[str, ...]) -> list[dict[str, str]]:
    """`all`, or account ids of 12 digits. Raises PublishError for anything else."""
    permissions: list[dict[str, str]] = []
    for account in accounts:
        if account == "all":
            permissions.append({"Group": "all"})
        elif re.fullmatch(r"\d{12}", account):
            permissions.append({"UserId": account})
        else:
            raise PublishError(
                f"{account!r} is not a launch permission", resolution="give account ids of 12 digits, or the word all"
            )
    return permissions


def _root_mapping(wanted: Registration) -> dict[str, Any]:
    ebs = {
        "SnapshotId": wanted.snapshot_id,
        "VolumeSize": wanted.volume_gib,
        "VolumeType": wanted.volume_type,
        "DeleteOnTermination": True,
    }
    return {"DeviceName": wanted.root_device, "Ebs": ebs}


def _tagged(resource: str, wanted: Registration) -> dict[str, Any]:
    tags = all_tags(wanted.sha256, wanted.name, wanted.tags)
    return {"ResourceType": resource, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


def _full(device: str) -> str:
    return device if device.startswith("/dev/") else f"/dev/{device}"
