"""Publishing as an EBS snapshot, against the strict front."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest

from tests.integration.publish.ec2.conftest import Ended, write_report
from tests.integration.publish.ec2.strict_front import Front

pytestmark = pytest.mark.integration
Imagebuild = Callable[..., Ended]


def only_image(front: Front, region: str = "us-east-1") -> object:
    (image,) = front.account.images[region].values()
    return image


def content_of(snapshot_id: str, size: int, region: str = "us-east-1") -> bytes:
    """The volume that the snapshot would become, read back block by block through boto3."""
    ebs = boto3.client("ebs", region_name=region)
    volume = bytearray(size + -size % 524288)
    for block in ebs.list_snapshot_blocks(SnapshotId=snapshot_id)["Blocks"]:
        index, token = block["BlockIndex"], block["BlockToken"]
        data = ebs.get_snapshot_block(SnapshotId=snapshot_id, BlockIndex=index, BlockToken=token)["BlockData"].read()
        volume[index * 524288 : (index + 1) * 524288] = data
    assert not any(volume[size:])
    return bytes(volume[:size])


@pytest.mark.parametrize(("image", "root"), [("hd0", "/dev/sda1"), ("hd00", "/dev/sda")])
def test_registered_as_it_must_be(
    image: str, root: str, front: Front, imagebuild: Imagebuild, request: pytest.FixtureRequest
) -> None:
    path: Path = request.getfixturevalue(image)
    front.account.patience = 1
    ended = imagebuild("publish", path, "--region", "us-east-1", "--json", "-B", "ephemeral0=sdb", "--tag", "Team=os")
    assert ended.code == 0, ended.err
    assert [line.split(":")[1] for line in front.refused] == [" InvalidAMIID.NotFound"], "asked too early, no more"
    (published,) = json.loads(ended.out)
    (registered,) = front.account.images["us-east-1"].values()
    assert registered["KernelId"] == published["kernel_id"] == "aki-5c21674b"
    assert registered["RootDeviceName"] == root
    assert registered["Architecture"] == "x86_64"
    assert registered["VirtualizationType"] == "paravirtual"
    assert registered["BlockDeviceMapping.2.VirtualName"] == "ephemeral0"
    assert registered.tags["Team"] == "os"
    assert content_of(published["snapshot_id"], path.stat().st_size) == path.read_bytes()
    sent = len(front.account.snapshots["us-east-1"][published["snapshot_id"]].digests)
    assert sent < path.stat().st_size // 524288, "blocks of zeros are not sent"
    assert "legacy" in ended.err

    before = len(front.changes())
    again = imagebuild("publish", path, "--region", "us-east-1", "--json", "-B", "ephemeral0=sdb", "--tag", "Team=os")
    assert again.code == 0, again.err
    assert front.changes()[before:] == [], "the second run changes nothing"
    (found,) = json.loads(again.out)
    assert found | {"changed": True} == published
    assert found["changed"] is False


def test_several_regions_tags_and_permissions(front: Front, imagebuild: Imagebuild, hd0: Path) -> None:
    words = ("publish", hd0, "--region", "us-east-1", "--region", "eu-west-1", "--json", "--name", "my image")
    ended = imagebuild(*words, "--launch-permission", "111122223333", "--launch-permission", "all")
    assert ended.code == 0, ended.err
    first, second = json.loads(ended.out)
    assert (first["kernel_id"], second["kernel_id"]) == ("aki-5c21674b", "aki-dc9ed9af")
    copy = front.account.snapshots["eu-west-1"][second["snapshot_id"]]
    assert copy.copied_from == first["snapshot_id"]
    for region in ("us-east-1", "eu-west-1"):
        (image,) = front.account.images[region].values()
        assert image["Name"] == "my image"
        assert sorted(image.permissions) == [("group", "all"), ("userId", "111122223333")]
    before = len(front.changes())
    again = imagebuild(*words, "--launch-permission", "111122223333", "--launch-permission", "444455556666")
    assert again.code == 0, again.err
    assert front.changes()[before:] == [("us-east-1", "ModifyImageAttribute"), ("eu-west-1", "ModifyImageAttribute")]
    assert front.refused == []


def test_a_dry_run_asks_nothing(front: Front, imagebuild: Imagebuild, hd00: Path) -> None:
    ended = imagebuild("publish", hd00, "--region", "us-east-1", "--region", "eu-west-1", "--dry-run")
    assert ended.code == 0, ended.err
    assert front.calls == []
    for text in ("ebs.StartSnapshot", "PutSnapshotBlock", "ec2.CopySnapshot", '"RootDeviceName": "/dev/sda"', "legacy"):
        assert text in ended.out
    assert ended.out.count("ec2.RegisterImage") == 2


def test_no_report_no_publication(front: Front, imagebuild: Imagebuild, hd0: Path) -> None:
    from imagebuild.report import Verdict

    write_report(hd0, sha256="0" * 64)
    ended = imagebuild("publish", hd0, "--region", "us-east-1")
    assert (ended.code, "about another image" in ended.err) == (7, True)
    write_report(hd0, Verdict.FAILED)
    ended = imagebuild("publish", hd0, "--region", "us-east-1")
    assert (ended.code, "did not pass its verification: failed" in ended.err) == (7, True)
    (hd0.parent / "report.json").unlink()
    ended = imagebuild("publish", hd0, "--region", "us-east-1")
    assert (ended.code, "was not verified" in ended.err) == (7, True)
    assert front.calls == []
    ended = imagebuild("publish", hd0, "--region", "us-east-1", "--unverified")
    assert ended.code == 0, ended.err
    assert "warning: published without a passing report (--unverified)" in ended.err


def test_hvm_only_where_it_can_boot(front: Front, imagebuild: Imagebuild, hd0: Path, hd00: Path) -> None:
    words = ("--region", "us-east-1", "--virtualization", "hvm")
    ended = imagebuild("publish", hd0, *words)
    assert (ended.code, "no partition table" in ended.err) == (7, True)
    ended = imagebuild("publish", hd00, *words)
    assert (ended.code, "no boot code" in ended.err) == (7, True)
    assert front.changes() == []
    data = bytearray(hd00.read_bytes())
    data[0:3], data[446] = b"\xeb\x63\x90", 0x80
    hd00.write_bytes(data)
    write_report(hd00)
    ended = imagebuild("publish", hd00, *words, "--ena")
    assert ended.code == 0, ended.err
    (image,) = front.account.images["us-east-1"].values()
    assert (image["VirtualizationType"], image["KernelId"], image["EnaSupport"]) == ("hvm", None, "true")
    assert "every family but C1, M1, M2, T1" in ended.err


def test_a_boot_mode_is_registered_where_the_report_holds_that_boot(
    front: Front, imagebuild: Imagebuild, hd00: Path
) -> None:
    words = ("--region", "us-east-1", "--virtualization", "hvm", "--boot-mode", "uefi-preferred")
    data = bytearray(hd00.read_bytes())
    data[0:3], data[446] = b"\xeb\x63\x90", 0x80
    hd00.write_bytes(data)
    write_report(hd00, boots=("bios", "uefi"))
    ended = imagebuild("publish", hd00, *words)
    assert (ended.code, "no EFI system partition" in ended.err) == (7, True)
    data[446 + 16 : 446 + 32] = bytes([0, 0, 0, 0, 0xEF, 0, 0, 0]) + (4096).to_bytes(4, "little") * 2
    hd00.write_bytes(data)
    write_report(hd00, boots=("bios",))
    ended = imagebuild("publish", hd00, *words)
    assert (ended.code, "has no boot by uefi" in ended.err) == (7, True)
    assert front.changes() == []
    write_report(hd00, boots=("bios", "uefi"))
    ended = imagebuild("publish", hd00, *words)
    assert ended.code == 0, ended.err
    (image,) = front.account.images["us-east-1"].values()
    assert (image["VirtualizationType"], image["BootMode"]) == ("hvm", "uefi-preferred")
    again = imagebuild("publish", hd00, *words)
    assert "nothing to do" in again.out
    other = imagebuild("publish", hd00, *words[:-1], "legacy-bios")
    assert (other.code, "boot mode: uefi-preferred there, legacy-bios here" in other.err) == (7, True)


def test_the_recipes_section(front: Front, imagebuild: Imagebuild, hd0: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "web.yaml"
    recipe.write_text(
        "name: web\nversion: '7'\nrootfs: {tar: root.tar}\ndisk: {layout: hd0, filesystem: ext4}\n"
        "ec2:\n  regions: [us-east-1]\n  pv_grub: '1.03'\n  tags: {Team: os}\n  block_devices: {sdb: ephemeral0}\n"
        "  launch_permissions: ['111122223333']\n"
    )
    (tmp_path / "root.tar").touch()
    ended = imagebuild("publish", hd0, "--recipe", recipe)
    assert ended.code == 0, ended.err
    (image,) = front.account.images["us-east-1"].values()
    assert str(image["Name"]).startswith("web-7-")
    assert image["KernelId"] == "aki-88aa75e1"
    assert image.tags["Team"] == "os"
    assert image.permissions == [("userId", "111122223333")]


def test_aki_for_an_image(front: Front, imagebuild: Imagebuild, hd0: Path, hd00: Path) -> None:
    ended = imagebuild("aki", "--for", hd00, "--region", "us-east-1", "--layout", "hd00")
    assert (ended.code, ended.out.split()[0]) == (0, "aki-499ccb20"), ended.err
    ended = imagebuild("aki", "--for", hd0, "--region", "us-east-1", "--kernel", "aki-499ccb20")
    assert ended.code == 7
    assert "hd00" in ended.err
    assert "aki-5c21674b" in ended.err
    ended = imagebuild("aki", "--for", hd0, "--region", "us-east-1", "--arch", "i386")
    assert (ended.code, "kernel is x86_64, not i386" in ended.err) == (7, True)
    assert front.calls == []


def test_aki_asked_of_aws(front: Front, imagebuild: Imagebuild, hd0: Path) -> None:
    ended = imagebuild("aki", "--for", hd0, "--region", "eu-west-3")
    assert (ended.code, "--ask-aws" in ended.err) == (7, True)
    ended = imagebuild("aki", "--for", hd0, "--region", "eu-west-3", "--ask-aws", "--json")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert (found["id"], found["source"]) == ("aki-0123abcd", "DescribeImages")
    assert any("no PV instances are known in eu-west-3" in note for note in found["notes"])
    ended = imagebuild("publish", hd0, "--region", "eu-west-3", "--ask-aws")
    assert ended.code == 0, ended.err
