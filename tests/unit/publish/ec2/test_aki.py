"""The AKI table, and the choice from it."""

from __future__ import annotations

import re

import pytest

from imagebuild.errors import PublishError
from imagebuild.formats.first_sectors import read_first_sectors
from imagebuild.publish.ec2 import aki
from imagebuild.publish.ec2.aki import ImageKind
from imagebuild.publish.ec2.instance_families import pv_regions, who_starts

PLAIN = ImageKind("none", "x86_64")
MBR = ImageKind("mbr", "x86_64")
GPT = ImageKind("gpt", "x86_64")


def test_every_row_is_whole_and_alone() -> None:
    rows = aki.table()
    assert len(rows) == 36 + 23 + 18 + 20
    assert len({row.id for row in rows}) == len(rows)
    assert len({(row.region, row.name) for row in rows}) == len(rows)
    for row in rows:
        assert re.fullmatch(r"aki-[0-9a-f]{8}", row.id)
        assert row.layout in ("hd0", "hd00")
        assert row.architecture in ("i386", "x86_64")
        assert row.source in aki.sources()


def test_the_user_guides_table() -> None:
    """1.03: nine regions, four ids each; ap-southeast-2 is the row whose order differs."""
    rows = aki.listed(aki.table(), version="1.03")
    assert len(aki.regions(rows)) == 9
    assert len(rows) == 36
    southeast = {row.name: row.id for row in aki.listed(rows, region="ap-southeast-2")}
    assert southeast == {
        "pv-grub-hd00_1.03-i386.gz": "aki-3f990e05",
        "pv-grub-hd00_1.03-x86_64.gz": "aki-3d990e07",
        "pv-grub-hd0_1.03-i386.gz": "aki-33990e09",
        "pv-grub-hd0_1.03-x86_64.gz": "aki-31990e0b",
    }


@pytest.mark.parametrize(
    ("kind", "wishes", "expected"),
    [
        (PLAIN, {}, "aki-5c21674b"),  # hd0 1.05
        (PLAIN, {"version": "1.03"}, "aki-88aa75e1"),  # hd0 1.03
        (MBR, {}, "aki-5c21674b"),  # from 1.04 hd0 finds the menu on the first partition too
        (MBR, {"version": "1.03"}, "aki-b4aa75dd"),  # hd00 1.03
        (MBR, {"layout": "hd00"}, "aki-499ccb20"),  # hd00 1.04
        (GPT, {}, "aki-5c21674b"),
        (ImageKind("none", "i386"), {}, "aki-04206613"),
    ],
)
def test_choice(kind: ImageKind, wishes: dict[str, str], expected: str) -> None:
    version, layout = wishes.get("version"), wishes.get("layout")
    assert aki.choose(kind, "us-east-1", version=version, layout=layout).aki.id == expected


@pytest.mark.parametrize(
    ("aki_id", "kind", "region", "brief", "resolution"),
    [
        ("aki-499ccb20", PLAIN, "us-east-1", "image has no partition table", "aki-5c21674b"),
        ("aki-88aa75e1", ImageKind("none", "i386"), "us-east-1", "cannot start an i386 kernel", "aki-04206613"),
        ("aki-04206613", PLAIN, "us-east-1", "i386 PV-GRUB cannot start an x86_64 kernel", "aki-5c21674b"),
        ("aki-b4aa75dd", GPT, "us-east-1", "1.03 cannot read a GPT", "aki-5c21674b"),
        ("aki-88aa75e1", MBR, "us-east-1", "hd0 of 1.03 looks for the menu only on the whole disk", "aki-5c21674b"),
        ("aki-88aa75e1", PLAIN, "eu-west-1", "of us-east-1, the image goes to eu-west-1", "aki-dc9ed9af"),
        ("aki-00000000", PLAIN, "us-east-1", "not known as a PV-GRUB of us-east-1", "aki-5c21674b"),
    ],
)
def test_a_wrong_combination_names_the_right_id(
    aki_id: str, kind: ImageKind, region: str, brief: str, resolution: str
) -> None:
    with pytest.raises(PublishError) as caught:
        aki.check(aki_id, kind, region)
    assert brief in caught.value.brief
    assert resolution in caught.value.resolution


def test_gpt_with_1_03_is_refused_whatever_the_layout() -> None:
    with pytest.raises(PublishError) as caught:
        aki.choose(GPT, "us-east-1", version="1.03")
    assert "cannot read a GPT" in caught.value.details
    assert "aki-5c21674b" in caught.value.resolution


def test_an_unknown_region_lists_the_known_ones() -> None:
    with pytest.raises(PublishError, match="no AKI is known for the region mars-north-1") as caught:
        aki.choose(PLAIN, "mars-north-1")
    assert "us-east-1" in caught.value.details
    assert "--ask-aws" in caught.value.resolution


def test_no_ramdisk_with_pv_grub() -> None:
    aki.refuse_ramdisk(None)
    with pytest.raises(PublishError, match="ari-1234"):
        aki.refuse_ramdisk("ari-1234")


def test_rows_from_aws() -> None:
    row = aki.from_description({"ImageId": "aki-1", "Name": "pv-grub-hd00_1.04-x86_64.gz"}, "eu-west-3")
    assert row is not None
    assert (row.layout, row.version, row.architecture, row.source) == ("hd00", "1.04", "x86_64", "DescribeImages")
    assert aki.from_description({"ImageId": "aki-2", "Name": "other.gz"}, "eu-west-3") is None
    assert aki.choose(MBR, "eu-west-3", rows=[row]).aki is row


def test_pv_is_called_the_legacy_path() -> None:
    assert "legacy" in who_starts("paravirtual", "us-east-1")[0]
    assert len(who_starts("paravirtual", "us-east-1")) == 1
    assert "no PV instances are known in ca-central-1" in who_starts("paravirtual", "ca-central-1")[1]
    assert "us-east-1" in pv_regions()


def mbr(*entries: tuple[int, int, int, int], code: bytes = b"") -> bytes:
    sector = bytearray(512)
    sector[: len(code)] = code
    for number, (status, kind, start, length) in enumerate(entries):
        sector[446 + 16 * number : 462 + 16 * number] = (
            bytes([status, 0, 0, 0, kind, 0, 0, 0]) + start.to_bytes(4, "little") + length.to_bytes(4, "little")
        )
    sector[510:512] = b"\x55\xaa"
    return bytes(sector)


def test_first_sectors() -> None:
    size = 2**20
    assert read_first_sectors(bytes(17408), size).table == "none"
    assert read_first_sectors(b"", 0).table == "none"
    plain = read_first_sectors(mbr((0, 0x83, 63, 1000)), size)
    assert (plain.table, plain.boot_code, plain.flagged) == ("mbr", False, False)
    assert "no boot code" in str(plain.why_not_hvm())
    unflagged = read_first_sectors(mbr((0, 0x83, 63, 1000), code=b"\xeb\x63\x90"), size)
    assert "flagged" in str(unflagged.why_not_hvm())
    assert read_first_sectors(mbr((0x80, 0x83, 63, 1000), code=b"\xeb\x63\x90"), size).why_not_hvm() is None
    efi = read_first_sectors(mbr((0, 0x83, 63, 1000), (0, 0xEF, 1100, 100)), size)
    assert efi.esp
    assert efi.why_not_hvm(bios=False, uefi=True) is None
    assert "no EFI system partition" in str(plain.why_not_hvm(bios=False, uefi=True))
    # a boot sector of FAT: code where the entries would be
    assert read_first_sectors(mbr((0x41, 0x83, 99999999, 1), code=b"\xeb\x3c"), size).table == "none"
    gpt = mbr((0, 0xEE, 1, 2047)) + b"EFI PART" + bytes(504)
    assert read_first_sectors(gpt.ljust(17408, b"\0"), size).table == "gpt"
