"""What EC2 and the EBS direct API would say: images and snapshots of one account, by region, with AWS' own refusals."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import escape

BLOCK_BYTES = 524288
# a few AKIs, copied from the reference by hand: the front does not trust imagebuild's own table
AKIS = {
    ("us-east-1", "aki-5c21674b"): "pv-grub-hd0_1.05-x86_64.gz",
    ("us-east-1", "aki-04206613"): "pv-grub-hd0_1.05-i386.gz",
    ("us-east-1", "aki-499ccb20"): "pv-grub-hd00_1.04-x86_64.gz",
    ("us-east-1", "aki-88aa75e1"): "pv-grub-hd0_1.03-x86_64.gz",
    ("us-east-1", "aki-b4aa75dd"): "pv-grub-hd00_1.03-x86_64.gz",
    ("eu-west-1", "aki-dc9ed9af"): "pv-grub-hd0_1.05-x86_64.gz",
    ("eu-west-3", "aki-0123abcd"): "pv-grub-hd0_1.05-x86_64.gz",
}
_IMAGE_NAME = re.compile(r"[A-Za-z0-9()\[\] ./\-'@_]{3,128}")


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class Refusal(Exception):  # noqa: N818
    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(code)
        self.code, self.message, self.status = code, message, status


@dataclass
class Snapshot:
    id: str
    size_gib: int
    tags: dict[str, str]
    state: str = "pending"
    sealed: bool = False
    polls_left: int = 0
    digests: dict[int, bytes] = field(default_factory=dict)
    copied_from: str | None = None


@dataclass
class Image:
    id: str
    request: dict[str, str]
    tags: dict[str, str]
    polls_left: int = 0
    known: bool = False
    permissions: list[tuple[str, str]] = field(default_factory=list)

    def __getitem__(self, key: str) -> str | None:
        return self.request.get(key)


Forward = Callable[[Any], Reply]


class Account:
    """All regions. `patience`: how many more looks it takes until what is pending is done."""

    def __init__(self) -> None:
        self.patience = 0
        self.snapshots: dict[str, dict[str, Snapshot]] = {}
        self.images: dict[str, dict[str, Image]] = {}

    def answer(self, region: str, operation: str, request: Any, forward: Forward) -> Reply:
        method = getattr(self, f"_{operation}", None)
        if method is None:
            raise Refusal("InvalidAction", f"the action {operation} is not known")
        reply: Reply = method(region, request, forward)
        return reply

    # the EBS direct API

    def _StartSnapshot(self, region: str, request: Any, forward: Forward) -> Reply:  # noqa: N802
        asked = json.loads(request.body)
        if not 1 <= asked.get("VolumeSize", 0) <= 65536 or not 10 <= asked.get("Timeout", 60) <= 4320:
            raise Refusal("ValidationException", "VolumeSize or Timeout out of range")
        if not asked.get("ClientToken"):
            raise Refusal("ValidationException", "no ClientToken")
        known = self.snapshots.setdefault(region, {})
        for snapshot in known.values():
            if snapshot.tags.get("·token") == asked["ClientToken"]:
                return _json(201, {"SnapshotId": snapshot.id, "Status": "pending", "BlockSize": BLOCK_BYTES})
        reply = forward(request)
        tags = {tag["Key"]: tag["Value"] for tag in asked.get("Tags", [])}
        _check_tags(tags)
        snapshot = Snapshot(json.loads(reply.body)["SnapshotId"], asked["VolumeSize"], tags, polls_left=self.patience)
        snapshot.tags["·token"] = asked["ClientToken"]
        known[snapshot.id] = snapshot
        return reply

    def _PutSnapshotBlock(self, region: str, request: Any, forward: Forward) -> Reply:  # noqa: N802
        match = re.fullmatch(r"/snapshots/(snap-\w+)/blocks/(\d+)", unquote(urlsplit(request.path).path))
        assert match
        snapshot, index = self._open(region, match[1]), int(match[2])
        headers, body = request.headers, request.body
        if headers.get("x-amz-data-length") != str(BLOCK_BYTES) or len(body) != BLOCK_BYTES:
            raise Refusal("ValidationException", f"a block has {BLOCK_BYTES} bytes, not {len(body)}")
        digest = hashlib.sha256(body).digest()
        if headers.get("x-amz-checksum-algorithm") != "SHA256" or headers.get("x-amz-checksum") != _base64(digest):
            raise Refusal("ValidationException", "INVALID_CHECKSUM: the checksum does not fit the block")
        if (index + 1) * BLOCK_BYTES > snapshot.size_gib * 2**30:
            raise Refusal("ValidationException", "the block lies behind the volume's end")
        reply = forward(request)
        snapshot.digests[index] = digest
        return reply

    def _CompleteSnapshot(self, region: str, request: Any, forward: Forward) -> Reply:  # noqa: N802
        snapshot = self._open(region, urlsplit(request.path).path.rpartition("/")[2])
        headers = request.headers
        if headers.get("x-amz-changedblockscount") != str(len(snapshot.digests)):
            raise Refusal("ValidationException", f"ChangedBlocksCount is not {len(snapshot.digests)}")
        linear = hashlib.sha256(b"".join(snapshot.digests[index] for index in sorted(snapshot.digests))).digest()
        if (
            headers.get("x-amz-checksum") != _base64(linear)
            or headers.get("x-amz-checksum-algorithm") != "SHA256"
            or headers.get("x-amz-checksum-aggregation-method") != "LINEAR"
        ):
            raise Refusal("ValidationException", "the linear checksum does not fit the blocks")
        snapshot.sealed = True
        return forward(request)

    def _GetSnapshotBlock(self, region: str, request: Any, forward: Forward) -> Reply:  # noqa: N802
        return forward(request)

    _ListSnapshotBlocks = _GetSnapshotBlock

    def _open(self, region: str, snapshot_id: str) -> Snapshot:
        snapshot = self.snapshots.get(region, {}).get(snapshot_id)
        if snapshot is None:
            raise Refusal("ResourceNotFoundException", f"{snapshot_id} does not exist", 404)
        if snapshot.sealed or snapshot.state != "pending":
            raise Refusal("ValidationException", f"{snapshot_id} is not in the state pending")
        return snapshot

    # EC2

    def _DescribeSnapshots(self, region: str, request: Any, forward: Forward) -> Reply:  # noqa: N802
        known = self.snapshots.get(region, {})
        found = list(known.values())
        if ids := _list(request.fields, "SnapshotId"):
            if missing := [one for one in ids if one not in known]:
                raise Refusal("InvalidSnapshot.NotFound", f"{missing[0]} does not exist")
            found = [known[one] for one in ids]
        for name, values in _filters(request.fields).items():
            assert name.startswith("tag:")
            found = [snapshot for snapshot in found if snapshot.tags.get(name[4:]) in values]
        items = "".join(
            f"<item><snapshotId>{one.id}</snapshotId><status>{self._state(one)}</status>"
            f"<volumeSize>{one.size_gib}</volumeSize>{_tag_set(one.tags)}</item>"
            for one in found
        )
        return _xml("DescribeSnapshots", f"<snapshotSet>{items}</snapshotSet>")

    def _state(self, snapshot: Snapshot) -> str:
        """A sealed snapshot is pending for one more look, as AWS takes its time."""
        if snapshot.sealed and snapshot.state == "pending":
            snapshot.polls_left -= 1
            if snapshot.polls_left < 0:
                snapshot.state = "completed"
        return snapshot.state

    def _CopySnapshot(self, region: str, request: Any, forward: Forward) -> Reply:  # noqa: N802
        fields = request.fields
        source = self.snapshots.get(fields["SourceRegion"], {}).get(fields["SourceSnapshotId"])
        if source is None or source.state != "completed":
            raise Refusal("InvalidSnapshot.NotFound", "the source snapshot is not completed")
        if "PresignedUrl" not in fields:
            raise Refusal("MissingParameter", "PresignedUrl")
        reply = forward(request)
        match = re.search(rb"<snapshotId>(snap-\w+)</snapshotId>", reply.body)
        assert match
        copy = Snapshot(
            match[1].decode(), source.size_gib, _tags_of(fields, "snapshot"), sealed=True, polls_left=self.patience
        )
        copy.copied_from = source.id
        self.snapshots.setdefault(region, {})[copy.id] = copy
        return reply

    def _RegisterImage(self, region: str, request: Any, forward: Forward) -> Reply:  # noqa: N802
        fields = request.fields
        self._check_registration(region, fields, request, forward)
        reply = forward(request)
        match = re.search(rb"<imageId>(ami-\w+)</imageId>", reply.body)
        assert match, reply.body
        image = Image(match[1].decode(), dict(fields), _tags_of(fields, "image"), self.patience)
        self.images.setdefault(region, {})[image.id] = image
        return reply

    def _check_registration(self, region: str, fields: dict[str, str], request: Any, forward: Forward) -> None:
        name = fields.get("Name", "")
        if not _IMAGE_NAME.fullmatch(name):
            raise Refusal("InvalidAMIName.Malformed", "AMI names must be between 3 and 128 characters long")
        for image in self.images.get(region, {}).values():
            if image["Name"] == name:
                raise Refusal("InvalidAMIName.Duplicate", f"AMI name {name} is already in use by AMI {image.id}")
        _check_kernel(region, fields)
        if "ImageLocation" in fields:
            if "RootDeviceName" in fields or any(key.endswith("Ebs.SnapshotId") for key in fields):
                raise Refusal("InvalidParameterCombination", "ImageLocation and RootDeviceName")
            _check_bundle(fields["ImageLocation"], fields, request, forward)
        else:
            self._check_root(region, fields)

    def _check_root(self, region: str, fields: dict[str, str]) -> None:
        root = fields.get("RootDeviceName")
        numbers = {key.split(".")[1] for key in fields if key.startswith("BlockDeviceMapping.")}
        mappings = {fields[f"BlockDeviceMapping.{number}.DeviceName"]: number for number in numbers}
        if root not in mappings or len(mappings) != len(numbers):
            raise Refusal("InvalidBlockDeviceMapping", "the root device is not mapped, or a device twice")
        number = mappings[root]
        snapshot = self.snapshots.get(region, {}).get(fields.get(f"BlockDeviceMapping.{number}.Ebs.SnapshotId", ""))
        if snapshot is None:
            raise Refusal("InvalidSnapshot.NotFound", "the snapshot does not exist")
        if self._state(snapshot) != "completed":
            raise Refusal("IncorrectState", f"the snapshot {snapshot.id} is not completed")
        if int(fields.get(f"BlockDeviceMapping.{number}.Ebs.VolumeSize", snapshot.size_gib)) < snapshot.size_gib:
            raise Refusal("InvalidBlockDeviceMapping", "the volume is smaller than its snapshot")

    def _DescribeImages(self, region: str, request: Any, forward: Forward) -> Reply:  # noqa: N802
        fields = request.fields
        filters = _filters(fields)
        if "amazon" in _list(fields, "Owner"):
            assert filters == {"image-type": ["kernel"], "name": ["pv-grub-*.gz"]}
            items = "".join(
                f"<item><imageId>{aki}</imageId><name>{name}</name><imageType>kernel</imageType></item>"
                for (where, aki), name in AKIS.items()
                if where == region
            )
            return _xml("DescribeImages", f"<imagesSet>{items}</imagesSet>")
        found = list(self.images.get(region, {}).values())
        if ids := _list(fields, "ImageId"):
            found = [image for image in found if image.id in ids]
            for image in found:
                if self.patience and not image.known:
                    image.known = True  # EC2 is eventually consistent
                    raise Refusal("InvalidAMIID.NotFound", f"The image id '[{image.id}]' does not exist")
        if "name" in filters:
            found = [image for image in found if image["Name"] in filters["name"]]
        return _xml("DescribeImages", f"<imagesSet>{''.join(map(_image_item, found))}</imagesSet>")

    def _DescribeImageAttribute(self, region: str, request: Any, forward: Forward) -> Reply:  # noqa: N802
        image = self.images[region][request.fields["ImageId"]]
        items = "".join(f"<item><{kind}>{who}</{kind}></item>" for kind, who in image.permissions)
        return _xml(
            "DescribeImageAttribute", f"<imageId>{image.id}</imageId><launchPermission>{items}</launchPermission>"
        )

    def _ModifyImageAttribute(self, region: str, request: Any, forward: Forward) -> Reply:  # noqa: N802
        image = self.images[region][request.fields["ImageId"]]
        for key, value in request.fields.items():
            if match := re.fullmatch(r"LaunchPermission\.Add\.\d+\.(UserId|Group)", key):
                kind = "userId" if match[1] == "UserId" else "group"
                if kind == "userId" and not re.fullmatch(r"\d{12}", value):
                    raise Refusal("InvalidAMIAttributeItemValue", value)
                image.permissions.append((kind, value))
        return _xml("ModifyImageAttribute", "<return>true</return>")

    def _CreateTags(self, region: str, request: Any, forward: Forward) -> Reply:  # noqa: N802
        fields = request.fields
        tags = {
            fields[key]: fields[key.replace(".Key", ".Value")] for key in fields if re.fullmatch(r"Tag\.\d+\.Key", key)
        }
        _check_tags(tags)
        for resource in _list(fields, "ResourceId"):
            self.images[region][resource].tags.update(tags)
        return _xml("CreateTags", "<return>true</return>")


def _check_kernel(region: str, fields: dict[str, str]) -> None:
    architecture, virtualization = fields.get("Architecture"), fields.get("VirtualizationType")
    if architecture not in ("i386", "x86_64") or virtualization not in ("paravirtual", "hvm"):
        raise Refusal("MissingParameter", "Architecture and VirtualizationType must be explicit here")
    kernel = fields.get("KernelId")
    if "RamdiskId" in fields:
        raise Refusal("InvalidParameterCombination", "a ramdisk with PV-GRUB")
    if virtualization == "paravirtual":
        loader = AKIS.get((region, kernel or ""))
        if loader is None:
            raise Refusal("InvalidAKIID.NotFound", f"{kernel} does not exist in {region}")
        if not loader.endswith(f"-{architecture}.gz"):
            raise Refusal("InvalidParameterCombination", f"{loader} and {architecture}")
        if "EnaSupport" in fields or "SriovNetSupport" in fields:
            raise Refusal("InvalidParameterCombination", "enhanced networking is for HVM")
        if "BootMode" in fields:
            raise Refusal("InvalidParameterCombination", "a boot mode is for HVM")
    elif kernel:
        raise Refusal("InvalidParameterCombination", "an HVM image with a kernel id")
    if fields.get("BootMode", "uefi") not in ("legacy-bios", "uefi", "uefi-preferred"):
        raise Refusal("InvalidParameterValue", f"BootMode {fields['BootMode']}")


def _check_bundle(location: str, fields: dict[str, str], request: Any, forward: Forward) -> None:
    """EC2 reads manifest and parts: all there, digests and sizes right, signed text as it stands."""
    import dataclasses
    import xml.etree.ElementTree as ET

    def fetch(path: str) -> bytes:
        headers = dict(request.headers)
        headers["authorization"] = headers["authorization"].replace("/ec2/aws4", "/s3/aws4")
        headers.pop("content-length", None)
        headers.pop("content-type", None)
        asked = dataclasses.replace(request, service="s3", method="GET", path=f"/{path}", body=b"", headers=headers)
        reply = forward(asked)
        if reply.status != 200:
            raise Refusal("InvalidManifest", f"HTTP {reply.status} for {path}")
        return reply.body

    root = ET.fromstring(fetch(location))
    if root.findtext("machine_configuration/architecture") != fields["Architecture"]:
        raise Refusal("InvalidManifest", "the manifest's architecture is another")
    total = 0
    for part in root.findall("image/parts/part"):
        data = fetch(f"{location.rpartition('/')[0]}/{part.findtext('filename')}")
        if hashlib.sha1(data).hexdigest() != part.findtext("digest"):
            raise Refusal("InvalidManifest", "a part's digest is wrong")
        total += len(data)
    if str(total) != root.findtext("image/bundled_size"):
        raise Refusal("InvalidManifest", "the bundle's size is wrong")


def _image_item(image: Image) -> str:
    image.polls_left -= 1
    ebs = "ImageLocation" not in image.request
    leaves = {
        "imageId": image.id,
        "imageLocation": image["ImageLocation"] or f"123456789012/{image['Name']}",
        "imageState": "available" if image.polls_left < 0 else "pending",
        "name": image["Name"],
        "description": image["Description"],
        "architecture": image["Architecture"],
        "virtualizationType": image["VirtualizationType"],
        "bootMode": image["BootMode"],
        "kernelId": image["KernelId"],
        "rootDeviceType": "ebs" if ebs else "instance-store",
        "rootDeviceName": image["RootDeviceName"],
        "imageType": "machine",
    }
    numbers = sorted({key.split(".")[1] for key in image.request if key.startswith("BlockDeviceMapping.")})
    mappings = ""
    for number in numbers:
        prefix = f"BlockDeviceMapping.{number}"
        snapshot = image[f"{prefix}.Ebs.SnapshotId"]
        inner = f"<ebs><snapshotId>{snapshot}</snapshotId></ebs>" if snapshot else ""
        mappings += f"<item><deviceName>{image[f'{prefix}.DeviceName']}</deviceName>{inner}</item>"
    text = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in leaves.items() if value)
    return f"<item>{text}<blockDeviceMapping>{mappings}</blockDeviceMapping>{_tag_set(image.tags)}</item>"


def _tag_set(tags: dict[str, str]) -> str:
    items = "".join(
        f"<item><key>{escape(key)}</key><value>{escape(value)}</value></item>"
        for key, value in tags.items()
        if not key.startswith("·")
    )
    return f"<tagSet>{items}</tagSet>"


def _check_tags(tags: dict[str, str]) -> None:
    if len(tags) > 50 or any(not key or len(key) > 127 or key.startswith("aws:") for key in tags):
        raise Refusal("InvalidParameterValue", "a tag is malformed")


def _tags_of(fields: dict[str, str], resource: str) -> dict[str, str]:
    tags = {}
    for key, value in fields.items():
        if match := re.fullmatch(r"(TagSpecification\.\d+)\.Tag\.(\d+)\.Key", key):
            if fields[f"{match[1]}.ResourceType"] != resource:
                raise Refusal("InvalidParameterValue", "tags of another resource")
            tags[value] = fields[f"{match[1]}.Tag.{match[2]}.Value"]
    _check_tags(tags)
    return tags


def _list(fields: dict[str, str], name: str) -> list[str]:
    return [value for key, value in fields.items() if re.fullmatch(rf"{name}\.\d+", key)]


def _filters(fields: dict[str, str]) -> dict[str, list[str]]:
    names = {key.split(".")[1]: value for key, value in fields.items() if re.fullmatch(r"Filter\.\d+\.Name", key)}
    return {
        name: [value for key, value in fields.items() if re.fullmatch(rf"Filter\.{number}\.Value\.\d+", key)]
        for number, name in names.items()
    }


def _xml(operation: str, inner: str) -> Reply:
    namespace = "http://ec2.amazonaws.com/doc/2016-11-15/"
    text = f'<{operation}Response xmlns="{namespace}"><requestId>r</requestId>{inner}</{operation}Response>'
    return Reply(200, text.encode(), {"Content-Type": "text/xml"})


def _json(status: int, content: dict[str, Any]) -> Reply:
    return Reply(status, json.dumps(content).encode(), {"Content-Type": "application/json"})


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
