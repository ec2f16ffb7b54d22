"""The front itself: each of its checks is seen to refuse, so that a test which passes behind it proves something."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.integration.publish.ec2.ec2_state import Snapshot
from tests.integration.publish.ec2.strict_front import Front

pytestmark = pytest.mark.integration
BLOCK = bytes([7]) * 524288


def checksum(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def put(snapshot: str, **changed: Any) -> None:
    request: dict[str, Any] = {"BlockIndex": 0, "BlockData": BLOCK, "DataLength": 524288, "Checksum": checksum(BLOCK),
               "ChecksumAlgorithm": "SHA256"}  # fmt: skip
    boto3.client("ebs", region_name="us-east-1").put_snapshot_block(SnapshotId=snapshot, **(request | changed))


def complete(snapshot: str, **changed: Any) -> None:
    request: dict[str, Any] = {"ChangedBlocksCount": 1, "Checksum": checksum(hashlib.sha256(BLOCK).digest()),
               "ChecksumAlgorithm": "SHA256", "ChecksumAggregationMethod": "LINEAR"}  # fmt: skip
    boto3.client("ebs", region_name="us-east-1").complete_snapshot(SnapshotId=snapshot, **(request | changed))


def register(**changed: Any) -> None:
    request: dict[str, Any] = {
        "Name": "abc", "Architecture": "x86_64", "VirtualizationType": "paravirtual", "KernelId": "aki-5c21674b",
        "RootDeviceName": "/dev/sda1",
        "BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": "snap-done", "VolumeSize": 1}}],
    }  # fmt: skip
    request |= changed
    boto3.client("ec2", region_name="us-east-1").register_image(
        **{key: value for key, value in request.items() if value is not None}
    )


REFUSED: dict[str, tuple[str, Callable[[str], None]]] = {
    "block checksum": ("INVALID_CHECKSUM", lambda s: put(s, Checksum=checksum(b"other"))),
    "block length": ("a block has", lambda s: put(s, BlockData=b"short", DataLength=5)),
    "block behind the end": ("behind the volume", lambda s: put(s, BlockIndex=2048)),
    "unknown snapshot": ("does not exist", lambda _: put("snap-00000000")),
    "count": ("ChangedBlocksCount is not 0", lambda s: complete(s)),
    "linear checksum": ("linear checksum", lambda s: complete(s, ChangedBlocksCount=0)),
    "a closed snapshot": ("not in the state pending", lambda _: put("snap-done")),
    "a second image of that name": ("already in use", lambda _: register(Name="taken")),
    "no architecture": ("must be explicit", lambda _: register(Architecture=None)),
    "no kernel": ("does not exist in us-east-1", lambda _: register(KernelId=None)),
    "an i386 kernel": ("pv-grub-hd0_1.05-i386.gz and x86_64", lambda _: register(KernelId="aki-04206613")),
    "a ramdisk": ("a ramdisk", lambda _: register(RamdiskId="ari-12345678")),
    "enhanced networking": ("for HVM", lambda _: register(EnaSupport=True)),
    "a boot mode of a PV image": ("for HVM", lambda _: register(BootMode="uefi")),
    "no such boot mode": (
        "BootMode bios",
        lambda _: register(VirtualizationType="hvm", KernelId=None, BootMode="bios"),
    ),
    "hvm with a kernel": ("HVM image with a kernel", lambda _: register(VirtualizationType="hvm")),
    "the root not mapped": ("root device is not mapped", lambda _: register(RootDeviceName="/dev/sda")),
    "unfinished snapshot": (
        "is not completed",
        lambda s: register(BlockDeviceMappings=[{"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": s}}]),
    ),
    "no such manifest": (
        "InvalidManifest",
        lambda _: register(RootDeviceName=None, BlockDeviceMappings=None, ImageLocation="nowhere/x.manifest.xml"),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses(case: str, front: Front) -> None:
    message, attempt = REFUSED[case]
    snapshot = boto3.client("ebs", region_name="us-east-1").start_snapshot(VolumeSize=1)["SnapshotId"]
    front.account.snapshots["us-east-1"]["snap-done"] = Snapshot("snap-done", 1, {}, "completed")
    register(Name="taken")
    assert front.refused == []
    with pytest.raises(ClientError, match=message):
        attempt(snapshot)
    assert front.refused


def test_refuses_what_ec2_could_not_read_from_s3(front: Front) -> None:
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket="for-the-front")
    with pytest.raises(ClientError, match="could not read this object"):
        s3.put_object(Bucket="for-the-front", Key="a", Body=b"a", ChecksumSHA256=checksum(b"a"))
    with pytest.raises(ClientError, match="BadDigest"):
        s3.put_object(Bucket="for-the-front", Key="a", Body=b"a", ChecksumSHA256=checksum(b"b"), ACL="aws-exec-read")
