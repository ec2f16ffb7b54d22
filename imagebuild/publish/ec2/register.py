"""AMIs: found again by their names, registered, tagged and shared. A second run changes nothing."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from imagebuild.errors import PublishError
from imagebuild.events import Progress
from imagebuild.publish.ec2.aki import NAMES, Aki, from_description
from imagebuild.publish.ec2.aws import AGAIN, Clients, code_of, translated
from imagebuild.publish.ec2.requests import SHA256_TAG, Registration, all_tags, register_request
from imagebuild.publish.ec2.snapshot import Pause

_WAIT_SECONDS = 1800.0
_UNKNOWN_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Registered:
    """An AMI, with the snapshot of its root (ebs) or the place of its manifest (instance-store)."""

    image_id: str
    snapshot_id: str | None
    location: str | None


def find_image(clients: Clients, wanted: Registration) -> Registered | None:
    """The AMI that is just as wanted; None when its name is free.

    Raises PublishError when the name is taken: by another image, or by this one registered otherwise.
    """
    with translated(f"looking for the AMI in {clients.region}"):
        found: list[Any] = list(
            clients.ec2.describe_images(Owners=["self"], Filters=[{"Name": "name", "Values": [wanted.name]}])["Images"]
        )
    if not found:
        return None
    image = found[0]
    differences = _differences(image, wanted)
    if not differences:
        ebs = wanted.store == "ebs"
        return Registered(
            str(image["ImageId"]), _root_snapshot(image) if ebs else None, None if ebs else image.get("ImageLocation")
        )
    raise PublishError(
        f"the name {wanted.name!r} is taken in {clients.region} by {image['ImageId']}",
        details="\n".join(differences),
        resolution="choose another with --name, or deregister that AMI",
    )


def ensure_image(
    clients: Clients, wanted: Registration, *, progress: Progress, pause: Pause = time.sleep
) -> Registered:
    """Register the image (the caller has not found it), and wait until it is available. Raises PublishError."""
    try:
        with translated(f"registering {wanted.name!r} in {clients.region}"):
            image_id = clients.ec2.register_image(**register_request(wanted))["ImageId"]
    except PublishError as error:
        if code_of(error) != "InvalidAMIName.Duplicate":
            raise
        # a retried request whose first answer was lost, or another process: look whose name it is
        taken = find_image(clients, wanted)
        if taken is None:
            raise
        image_id = taken.image_id
    _wait(clients, image_id, pause)
    progress.note(f"{clients.region}: registered {image_id}")
    return Registered(image_id, wanted.snapshot_id, wanted.location)


def ensure_tags(clients: Clients, image_id: str, wanted: Registration) -> bool:
    """Give the AMI the tags that it lacks; True when something was changed."""
    tags = all_tags(wanted.sha256, wanted.name, wanted.tags)
    with translated(f"tagging {image_id} in {clients.region}"):
        images = clients.ec2.describe_images(ImageIds=[image_id])["Images"]
        present = _tags(images[0]) if images else {}
        missing = {key: value for key, value in tags.items() if present.get(key) != value}
        if missing:
            clients.ec2.create_tags(
                Resources=[image_id], Tags=[{"Key": key, "Value": value} for key, value in missing.items()]
            )
    return bool(missing)


def ensure_permissions(clients: Clients, image_id: str, permissions: list[dict[str, str]]) -> bool:
    """Let those accounts start the AMI; True when something was changed. Others' permissions stay as they are."""
    if not permissions:
        return False
    with translated(f"sharing {image_id} in {clients.region}"):
        answer = clients.ec2.describe_image_attribute(ImageId=image_id, Attribute="launchPermission")
        present: list[Any] = list(answer.get("LaunchPermissions", []))
        missing: Any = [permission for permission in permissions if permission not in present]
        if missing:
            clients.ec2.modify_image_attribute(ImageId=image_id, LaunchPermission={"Add": missing})
    return bool(missing)


def ask_for_akis(clients: Clients) -> list[Aki]:
    """Every PV-GRUB that Amazon owns in the region, from DescribeImages. Raises PublishError."""
    with translated(f"listing the AKIs of {clients.region}"):
        pages = clients.ec2.get_paginator("describe_images").paginate(
            Owners=["amazon"],
            Filters=[{"Name": "image-type", "Values": ["kernel"]}, {"Name": "name", "Values": [NAMES]}],
        )
        images: list[Any] = [image for page in pages for image in page["Images"]]
    rows = (from_description(image, clients.region) for image in images)
    return sorted((row for row in rows if row), key=lambda row: (row.version, row.name))


def _root_snapshot(image: Any) -> str | None:
    for mapping in image.get("BlockDeviceMappings", []):
        if mapping.get("DeviceName") == image.get("RootDeviceName"):
            return str(mapping.get("Ebs", {}).get("SnapshotId"))
    return None


def _tags(image: Any) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in image.get("Tags", [])}


def _differences(image: Any, wanted: Registration) -> list[str]:
    """What makes a registered image another one than the wanted: a line for each difference."""
    pairs = [
        ("image sha256", _tags(image).get(SHA256_TAG), wanted.sha256),
        ("architecture", image.get("Architecture"), wanted.architecture),
        ("virtualization", image.get("VirtualizationType"), wanted.virtualization),
        ("kernel", image.get("KernelId"), wanted.kernel_id),
        ("boot mode", image.get("BootMode"), wanted.boot_mode),
        ("store", image.get("RootDeviceType"), wanted.store),
    ]
    if wanted.store == "ebs":
        pairs.append(("root device", image.get("RootDeviceName"), wanted.root_device))
    return [
        f"{what}: {found or 'none'} there, {asked or 'none'} here" for what, found, asked in pairs if found != asked
    ]


def _described(clients: Clients, image_id: str, *, patient: bool) -> list[Any]:
    """The image in a list; with `patient`, an empty one when it is not known yet (EC2 is eventually consistent)."""
    try:
        with translated(f"waiting for {image_id} in {clients.region}"):
            return list(clients.ec2.describe_images(ImageIds=[image_id])["Images"])
    except PublishError as error:
        if patient and code_of(error) == "InvalidAMIID.NotFound":
            return []
        raise


def _wait(clients: Clients, image_id: str, pause: Pause) -> None:
    waited, step = 0.0, 0.25
    while True:
        images = _described(clients, image_id, patient=waited < _UNKNOWN_SECONDS)
        state = images[0]["State"] if images else "pending"
        if state == "available":
            return
        if state not in ("pending", "transient"):
            reason = images[0].get("StateReason", {}).get("Message", "") if images else ""
            raise PublishError(
                f"the AMI {image_id} in {clients.region} became {state}",
                details=reason,
                resolution=f"deregister it, then {AGAIN}",
            )
        if waited > _WAIT_SECONDS:
            raise PublishError(f"the AMI {image_id} in {clients.region} is still pending", resolution=AGAIN)
        pause(step)
        waited += step
        step = min(step * 1.6, 15.0)
