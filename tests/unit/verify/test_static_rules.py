"""The parts of the static machine that need no image."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagebuild.bootloaders.table import LOADERS, verdict_on
from imagebuild.formats.device_name import read_device_name
from imagebuild.formats.superblocks import Superblock
from imagebuild.formats.text import excerpt
from imagebuild.image.device_names import NotThere, resolve
from imagebuild.image.places import Place, mapper_name
from imagebuild.image.probe import look
from imagebuild.verify.kernel_checks import release_numbers
from imagebuild.verify.static import CHECKS
from imagebuild.vocabulary import BootLoader


@pytest.mark.parametrize(
    ("loader", "kind", "features", "refused", "cautioned"),
    [
        ("pv-grub", "ext4", {"extent", "flex_bg", "has_journal"}, [], []),
        ("pv-grub", "ext4", {"64bit", "metadata_csum"}, ["64bit"], ["metadata_csum"]),
        ("pv-grub", "ext4", {"inline_data", "meta_bg"}, ["inline_data"], ["meta_bg"]),
        ("pv-grub", "xfs", {"v4"}, [], []),
        ("pv-grub", "xfs", {"v5", "ftype"}, ["v5", "ftype"], []),
        ("pv-grub", "reiserfs", {"3.6"}, [], []),
        ("pv-grub", "btrfs", {"devices=1"}, ["btrfs"], []),
        ("pv-grub", "btrfs", {"devices=2"}, ["btrfs", "devices"], []),
        ("pygrub", "ext4", {"64bit"}, [], []),
        ("pygrub", "btrfs", {"devices=1"}, ["btrfs"], []),
        ("pvgrub2", "xfs", {"v5", "ftype"}, [], []),
    ],
)
def test_rules(loader: BootLoader, kind: str, features: set[str], refused: list[str], cautioned: list[str]) -> None:
    rules = verdict_on(loader, Superblock(kind, features=frozenset(features)))
    assert [rule.feature for rule in rules if rule.refused] == refused
    assert [rule.feature for rule in rules if not rule.refused] == cautioned


def test_every_rule_has_a_reason_and_a_source() -> None:
    assert all(rule.reason and rule.source for loader in LOADERS.values() for rule in loader.image_rules)


def test_large_blocks_are_refused() -> None:
    assert [rule.feature for rule in verdict_on("pv-grub", Superblock("ext4", block_bytes=65536))] == ["block size"]


def test_check_names_are_stable_words() -> None:
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    assert all(name == name.lower() and " " not in name for name in names)


@pytest.mark.parametrize(
    ("release", "numbers"), [("6.1.0-56-amd64", (6, 1, 0)), ("2.6.35.14-107.fc14", (2, 6, 35, 14)), ("", ())]
)
def test_release_numbers(release: str, numbers: tuple[int, ...]) -> None:
    assert release_numbers(release) == numbers


VOLUME = Place("/dev/my-vg/root", None, 1, (), None, "", volume=("my-vg", "root"))
PARTITION = Place("(hd0,0)", 0, 1, (), Superblock("ext4", "aa-bb", "top"), "", partuuid="12345678-01", partlabel="r")
SECOND = Place("(hd0,1)", 1, 1, (), Superblock("swap", "cc"), "", partuuid="12345678-02")


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("/dev/my-vg/root", VOLUME), ("/dev/mapper/my--vg-root", VOLUME),
        ("/dev/disk/by-id/dm-name-my--vg-root", VOLUME),
        ("UUID=AA-BB", PARTITION), ("UUID=aa-bb", PARTITION), ("LABEL=top", PARTITION),
        ("PARTUUID=12345678-01", PARTITION),
        ("PARTLABEL=r", PARTITION), ("/dev/disk/by-uuid/aa-bb", PARTITION), ("/dev/disk/by-partlabel/r", PARTITION),
        ("PARTUUID=12345678-01/PARTNROFF=1", SECOND), ("PARTUUID=12345678-02/PARTNROFF=-1", PARTITION),
        ("/dev/xvda1", PARTITION), ("/dev/xvde2", SECOND), ("/dev/sda2", SECOND), ("/dev/hda1", PARTITION),
        ("202:2", SECOND), ("ca01", PARTITION), ("/dev/disk/by-path/xen-vbd-51712-part2", SECOND),
    ],
)  # fmt: skip
def test_names_of_places(name: str, place: Place) -> None:
    assert resolve(read_device_name(name), (PARTITION, SECOND, VOLUME), partitioned=True) == place


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("UUID=other", "absent"), ("LABEL=", "absent"), ("/dev/xvda3", "absent"), ("/dev/xvda", "absent"),
        ("/dev/xvdb1", "other disk"), ("/dev/vda1", "absent"), ("/dev/nvme0n1p1", "absent"), ("253:0", "unknown"),
        ("/dev/disk/by-id/ata-X", "absent"), ("/dev/my-vg/other", "absent"), ("/dev/ram0", "unknown"),
        ("/dev/nfs", "unknown"), ("PARTUUID=12345678-01/PARTNROFF=5", "absent"), ("zfs=tank", "unknown"),
    ],
)  # fmt: skip
def test_names_that_no_place_has(name: str, why: str) -> None:
    found = resolve(read_device_name(name), (PARTITION, SECOND, VOLUME), partitioned=True)
    assert isinstance(found, NotThere)
    assert found.why == why


def test_an_unpartitioned_disk_is_any_partition_of_the_first_disk() -> None:
    whole = Place("(hd0)", None, 1, (), Superblock("ext4", "aa"), "")
    for name in ("/dev/xvda", "/dev/xvda1", "/dev/sda1", "/dev/xvda2"):
        assert resolve(read_device_name(name), (whole,), partitioned=False) == whole


def test_mapper_names() -> None:
    assert mapper_name("a", "b-c") == "/dev/mapper/a-b--c"


def test_control_characters_do_not_get_through() -> None:
    assert excerpt("a\x1b[31m\n\x07b") == "a\\x1b[31m\\n\\x07b"
    assert len(excerpt("x" * 999, 50)) == 50


def test_programs_are_limited_in_time_output_and_writing() -> None:
    assert look(["sleep", "60"], timeout_seconds=0.2).end == "time"
    assert look(["cat", "/dev/zero"], most_output_bytes=100_000).end == "output"
    assert look(["cat"], stdin=b"hello\n").output == b"hello\n"


def test_a_program_cannot_write_even_when_it_opens_for_writing(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(b"untouched")
    ended = look(["dd", "if=/dev/zero", f"of={image}", "bs=4", "count=1", "conv=notrunc"])
    assert ended.exit_code != 0
    assert image.read_bytes() == b"untouched"
