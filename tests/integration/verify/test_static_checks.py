"""Every static check: an image on which it fails or warns, and good ones on which all of them pass."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from imagebuild.events import Quiet
from imagebuild.image.boot_code import claimed_machines
from imagebuild.image.subject import open_subject
from imagebuild.report import Check, Outcome
from imagebuild.testhost import TestHost
from imagebuild.verify.firmware import own_loader
from imagebuild.verify.static import CHECKS, findings, run_static
from imagebuild.verify.view import View
from tests.boot_code import for_pcs
from tests.images import Filesystem, changed, make_image, make_partitioned, root_only, run, separate_boot, tree
from tests.sabotage import (
    GOOD,
    SABOTAGES,
    SMALL_BLOCKS,
    Make,
    Sabotage,
    holed_kernel,
    odd_boot_sector,
    slots_behind_the_end,
)

pytestmark = [pytest.mark.integration, pytest.mark.needs("testhost")]


def _all_checks(image: Path, host: TestHost, scratch: Path) -> list[Check]:
    with open_subject(image, host.tools, scratch) as subject:
        return list(run_static(subject, Quiet()).checks)


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda sabotage: sabotage.name)
def test_sabotage_is_found(sabotage: Sabotage, tmp_path: Path, test_host: TestHost) -> None:
    image = tmp_path / "image.raw"
    sabotage.make(image)
    check = next(check for check in CHECKS if check.name == sabotage.check)
    with open_subject(image, test_host.tools, tmp_path) as subject:
        found_all = list(findings(check, View(subject, sabotage.loader)))
    found = [finding.detail for finding in found_all if finding.outcome is sabotage.outcome]
    assert any(sabotage.words in detail for detail in found), found_all
    assert all(detail.isprintable() for detail in found)


@pytest.mark.parametrize("name", GOOD)
def test_good_image_passes_every_check(name: str, tmp_path: Path, test_host: TestHost) -> None:
    image = tmp_path / "image.raw"
    GOOD[name](image)
    before = hashlib.sha256(image.read_bytes()).hexdigest()
    checks = _all_checks(image, test_host, tmp_path)
    assert [check for check in checks if check.outcome in (Outcome.FAILED, Outcome.WARNED)] == []
    assert {check.name for check in checks} == {check.name for check in CHECKS}
    assert hashlib.sha256(image.read_bytes()).hexdigest() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["image.raw"]


@pytest.mark.parametrize("make", [odd_boot_sector, slots_behind_the_end])
def test_a_boot_sector_is_no_partition_table(make: Make, tmp_path: Path, test_host: TestHost) -> None:
    """pygrub takes it for one; Linux and GRUB 0.97 do not."""
    make(tmp_path / "image.raw")
    checks = _all_checks(tmp_path / "image.raw", test_host, tmp_path)
    assert {check.name for check in checks if check.outcome in (Outcome.FAILED, Outcome.WARNED)} == {"pygrub"}
    assert next(check.detail for check in checks if check.name == "partition-table").startswith("none: ext4")


def test_no_check_without_a_sabotaged_image() -> None:
    assert {check.name for check in CHECKS} - {sabotage.check for sabotage in SABOTAGES} == set()


def test_every_check_says_what_must_hold() -> None:
    assert [check.name for check in CHECKS if not check.about] == []


@pytest.mark.parametrize("name", ["nothing", "no-menu", "menu-huge", "cut", "xfs-v5", "btrfs", "truncated-kernel"])
def test_the_other_checks_bear_it(name: str, tmp_path: Path, test_host: TestHost) -> None:
    """One thing that is wrong makes the other checks skip, not stumble."""
    sabotage = next(sabotage for sabotage in SABOTAGES if sabotage.name == name)
    sabotage.make(tmp_path / "image.raw")
    checks = _all_checks(tmp_path / "image.raw", test_host, tmp_path)
    assert {check.name for check in checks} == {check.name for check in CHECKS}


def test_the_cause_of_an_error_16_is_named(tmp_path: Path, test_host: TestHost) -> None:
    make_image(tmp_path / "image.raw", changed(SMALL_BLOCKS, files=tree(kernel=holed_kernel())))
    checks = _all_checks(tmp_path / "image.raw", test_host, tmp_path)
    read = next(check for check in checks if check.name == "loader-reads" and check.outcome is Outcome.FAILED)
    assert "Error 16: Inconsistent filesystem structure at byte 22528" in read.detail
    assert "hole at blocks 22-52" in read.detail


def test_qcow2_is_read_through_a_copy(tmp_path: Path, test_host: TestHost, needs: object) -> None:
    raw = make_partitioned(tmp_path / "image.raw", separate_boot(), root_only())
    image = tmp_path / "image.qcow2"
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(image))
    checks = _all_checks(image, test_host, tmp_path)
    assert {check.outcome for check in checks} <= {Outcome.PASSED, Outcome.SKIPPED}


def test_gpt_partitions_are_read_by_the_shell_too(tmp_path: Path, test_host: TestHost) -> None:
    make_partitioned(tmp_path / "image.raw", separate_boot(), root_only(), label="gpt")
    checks = _all_checks(tmp_path / "image.raw", test_host, tmp_path)
    assert [check.outcome for check in checks if check.name == "loader-reads"] == [Outcome.PASSED] * 3
    assert [check for check in checks if check.outcome is Outcome.FAILED] == []


def test_hostile_names_are_escaped(tmp_path: Path, test_host: TestHost) -> None:
    menu = b"timeout 3\ntitle \x1b[2J\x07bad\nroot (hd0)\nkernel /boot/\x1b]0;x\x07 root=LABEL=\x1b[31m\n"
    menu += b"initrd /\xff\xfe\n"
    make_image(tmp_path / "image.raw", Filesystem(tree(menu=menu)))
    checks = _all_checks(tmp_path / "image.raw", test_host, tmp_path)
    assert [check.detail for check in checks if not check.detail.isprintable()] == []
    assert any(check.outcome is Outcome.FAILED for check in checks)


def test_an_image_says_by_itself_what_it_is_to_start_on(tmp_path: Path, test_host: TestHost) -> None:
    claims = {}
    for name, make in (("plain", make_image), ("pc", for_pcs)):
        make(tmp_path / name)
        with open_subject(tmp_path / name, test_host.tools, tmp_path) as subject:
            claims[name] = claimed_machines(subject)
            assert {own_loader(subject, "bios") is None, own_loader(subject, "uefi") is None} == {name == "plain"}
    assert claims == {"plain": ("static", "qemu", "xen"), "pc": ("static", "xen", "bios", "uefi")}
