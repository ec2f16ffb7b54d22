"""Boot modes: what they add to a disk, a menu and the initrds, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest

from imagebuild.plan.disk_vocabulary import MakeFat, WriteBootCode, WritePartitionTable
from imagebuild.plan.facts import BootCodeFacts, BootCodeFile
from imagebuild.plan.planner import make_plan
from imagebuild.plan.steps import GenerateInitrd, Plan, WriteFile
from tests.unit.plan.test_planner import ALL_MODULES, facts, kernel, recipe, refused, steps_of

PARTITIONS = [
    {"mount": "/boot", "size": "256MiB", "filesystem": "ext3"},
    {"mount": "/", "size": "rest", "filesystem": "ext4"},
]
EVERY = ["pv", "pvh", "bios", "uefi"]
PC_MODULES = (*ALL_MODULES, "virtio_scsi", "sd_mod", "nvme", "ahci", "ata_piix")


def code(core_bytes: int = 250_000) -> BootCodeFacts:
    def file(platform: str, name: str, size_bytes: int) -> BootCodeFile:
        return BootCodeFile(
            platform=platform, name=name, size_bytes=size_bytes, sha256="1" * 64, package=f"grub-{platform}",
            version="2.06-13", package_sha256="2" * 64,
        )  # fmt: skip

    return BootCodeFacts(
        files=(
            file("i386-pc", "boot.img", 512),
            file("i386-pc", "core.img", core_bytes),
            file("x86_64-efi", "BOOTX64.EFI", 10**6),
        )
    )


def disk(**changes: Any) -> dict[str, Any]:
    return {"layout": "hd00", "size": "2GiB", "partitions": PARTITIONS} | changes


def planned(modes: list[str] = EVERY, boot: dict[str, Any] | None = None, **changes: Any) -> Plan:
    wanted = recipe(**{"disk": disk(), "boot": {"modes": modes, **(boot or {})}} | changes)
    return make_plan(wanted, facts(), code())


def table(plan: Plan) -> WritePartitionTable:
    found: WritePartitionTable = steps_of(plan, WritePartitionTable)[0]
    return found


def test_an_mbr_gets_an_efi_system_partition_last_and_a_core_in_front_of_the_first() -> None:
    plan = planned()
    assert [part.type_code for part in table(plan).partitions] == [0x83, 0x83, 0xEF]
    (written,) = steps_of(plan, WriteBootCode)
    assert (written.start_sector, written.most_sectors) == (1, 2047)
    (fat,) = steps_of(plan, MakeFat)
    assert [item.path for item in fat.files] == ["EFI/BOOT/BOOTX64.EFI"]
    assert re.fullmatch(r"[0-9A-F]{4}-[0-9A-F]{4}", fat.uuid)
    assert plan.pending == ()


def test_a_gpt_gets_a_partition_for_the_core() -> None:
    plan = planned(disk=disk(table="gpt"))
    partitions = table(plan).partitions
    assert [part.type_code for part in partitions] == [0x83, 0x83, 0xEF02, 0xEF]
    (written,) = steps_of(plan, WriteBootCode)
    assert (written.start_sector, written.most_sectors) == (partitions[2].start_sector, partitions[2].sectors)


def test_a_disk_of_ones_own_is_taken_as_it_is() -> None:
    own = [
        *PARTITIONS,
        {"type": "esp", "size": "40MiB", "mount": "/boot/efi"},
        {"type": "bios-boot", "size": "2MiB"},
    ]
    plan = planned(disk=disk(table="gpt", partitions=own))
    assert [part.type_code for part in table(plan).partitions] == [0x83, 0x83, 0xEF, 0xEF02]
    assert re.search(r"^UUID=[0-9A-F]{4}-[0-9A-F]{4} +/boot/efi +vfat +umask=0077 +0 +2$", plan.fstab, re.M)


def test_an_unmounted_efi_system_partition_is_not_in_fstab() -> None:
    assert "vfat" not in planned().fstab
    assert "swap" not in planned().fstab


def test_the_command_line_has_the_consoles_of_all_modes_unless_it_is_given() -> None:
    assert "ro console=tty0 console=ttyS0,115200n8 console=hvc0\n" in planned().menu
    assert "ro console=hvc0\n" in planned(["pv", "pvh"]).menu
    assert "quiet console=ttyS0\n" in planned(boot={"command_line": "quiet console=ttyS0"}).menu


def test_an_initrd_gets_the_drivers_that_the_kernel_has() -> None:
    wanted = recipe(disk=disk(), boot={"modes": EVERY})
    has_none = kernel(modules=(*ALL_MODULES, "nvme", "ahci"))
    (made,) = [edit for edit in make_plan(wanted, facts(has_none), code()).edits if isinstance(edit, GenerateInitrd)]
    assert {"virtio_blk", "xen-blkfront", "nvme", "ahci"} <= set(made.modules)
    assert "ata_piix" not in made.modules


def test_the_machines_prove_the_modes() -> None:
    assert [check.machine for check in planned().checks] == ["static", "xen", "pvh", "bios", "uefi"]
    assert [check.machine for check in planned(["pv"]).checks] == ["static", "qemu", "xen"]
    assert [check.machine for check in planned(["bios"]).checks] == ["static", "bios"]
    assert [check.machine for check in planned(verify={"uefi": False}).checks] == ["static", "xen", "pvh", "bios"]


def test_without_grubs_packages_a_plan_is_preliminary() -> None:
    plan = make_plan(recipe(disk=disk(), boot={"modes": EVERY}), facts())
    assert "GRUB's packages are not in the cache" in plan.pending[0]


def test_no_mode_changes_nothing() -> None:
    plain = make_plan(recipe(disk=disk()), facts())
    assert make_plan(recipe(disk=disk(), boot={"modes": ["pv"]}), facts(), code()) == plain


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"disk": {"layout": "hd0", "filesystem": "ext4"}, "boot": {"modes": ["uefi"]}}, "no partition table"),
        ({"disk": {"layout": "hd0", "filesystem": "xfs"}, "boot": {"modes": ["bios"]}}, "xfs leaves 0 KiB"),
        ({"disk": {"layout": "hd0", "filesystem": "ext4"}, "boot": {"modes": ["bios"]}}, "ext4 leaves 1 KiB"),
        ({"architecture": "i386", "boot": {"modes": ["pv", "uefi"]}}, "x86_64 only"),
        ({"boot": {"modes": ["bios"], "command_line": "ro console=hvc0"}}, "no console=ttyS0"),
        ({"disk": disk(partitions=[{"type": "esp", "size": "40MiB"}, *PARTITIONS])}, "the first partition"),
        ({"disk": disk(partitions=[*PARTITIONS, {"type": "bios-boot", "size": "1MiB"}])}, "belongs to a GPT"),
        ({"disk": disk(partitions=[*PARTITIONS, {"type": "esp", "size": "20MiB"}])}, "vfat needs at least 34 MiB"),
        ({"disk": disk(partitions=[*PARTITIONS, *[{"type": "esp", "size": "40MiB"}] * 2])}, "at most"),
        ({"disk": disk(partitions=[{"mount": "/", "size": "rest", "filesystem": "vfat"}])}, "FAT"),
    ],
)
def test_refusals(changes: dict[str, Any], words: str) -> None:
    assert words in refused(recipe(**{"disk": disk()} | changes))


def test_a_core_that_does_not_fit_is_refused() -> None:
    from imagebuild.errors import PlanError

    wanted = recipe(disk=disk(), boot={"modes": ["bios"]})
    with pytest.raises(PlanError, match="2048 sectors, its place has 2047"):
        make_plan(wanted, facts(), code(core_bytes=2**20))


def test_a_maintained_menu_gets_the_same_command_line() -> None:
    plan = planned(boot={"menu": "maintained"})
    written = {edit.path: edit.content for edit in plan.all_edits if isinstance(edit, WriteFile)}
    assert "console=tty0 console=ttyS0,115200n8 console=hvc0" in written["/etc/imagebuild/menu.conf"]
