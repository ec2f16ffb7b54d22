"""The parts of the static machine that need no image."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagebuild.bootloaders.loader_rules import RULES, verdict_on
from imagebuild.formats.superblocks import Superblock
from imagebuild.formats.text import excerpt
from imagebuild.image.places import Place, mapper_name
from imagebuild.image.probe import look
from imagebuild.verify.kernel_checks import release_numbers
from imagebuild.verify.static import CHECKS
from imagebuild.verify.view import names_of
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
    assert all(rule.reason and rule.source for rules in RULES.values() for rule in rules)


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


def test_names_of_a_volume_and_of_a_partition() -> None:
    volume = Place("/dev/my-vg/root", None, 1, (), None, "", volume=("my-vg", "root"))
    assert names_of(volume) == {"/dev/my-vg/root", "/dev/mapper/my--vg-root"}
    assert mapper_name("a", "b-c") == "/dev/mapper/a-b--c"
    partition = Place("(hd0,0)", 0, 1, (), Superblock("ext4", "aa-bb", "top"), "", partuuid="12345678-01")
    assert {"UUID=AA-BB", "UUID=aa-bb", "LABEL=top", "PARTUUID=12345678-01"} <= names_of(partition)


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
