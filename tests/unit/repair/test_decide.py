"""What a repair decides to do, from facts alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from imagebuild.repair.decide import decide_repair
from imagebuild.repair.facts import BootVolume
from imagebuild.repair.menu_edits import edit_menu
from imagebuild.repair.steps import (
    CheckFilesystem,
    DropFeatures,
    MakeLink,
    Remake,
    Rename,
    RepackKernel,
    Repair,
    RewriteFile,
    WriteFile,
)

MENU = "default 0\ntimeout 3\n# kept\ntitle A\nroot (hd0)\nkernel /boot/vmlinuz root=UUID=1 console=hvc0\ninitrd /i\n"
GOOD = BootVolume(
    place="(hd0)", partition=None, offset_bytes=0, size_bytes=2**26, type="ext4", uuid="u", label="l",
    block_bytes=1024, features=frozenset({"extent", "filetype", "inline_data", "64bit"}), refused=(), cautioned=(),
    unclean="", devices=frozenset({"(hd0)"}), steady_names={0: "UUID=u"}, menu_path="/boot/grub/menu.lst",
    menu_text=MENU, other_menus=(), misread=(), packed_otherwise=(), stray=(),
    has_boot_folder=True, has_saved_default=False,
)  # fmt: skip


def test_a_good_image_is_left_alone() -> None:
    assert decide_repair(GOOD) == Repair((), (), ())


def test_the_journal_is_replayed_before_anything_else() -> None:
    repair = decide_repair(replace(GOOD, unclean="not unmounted", refused=("64bit",)))
    assert repair.steps == (CheckFilesystem("ext4"), DropFeatures(("64bit",)))


def test_features_are_taken_out_in_place_where_a_tool_can() -> None:
    repair = decide_repair(replace(GOOD, refused=("64bit",), cautioned=("metadata_csum", "large_dir")))
    assert repair.steps == (DropFeatures(("metadata_csum", "64bit")),)


def test_for_other_features_the_filesystem_is_made_anew() -> None:
    (step,) = decide_repair(replace(GOOD, refused=("64bit", "inline_data"))).steps
    assert isinstance(step, Remake)
    assert step.argv[step.argv.index("-O") + 1] == "none,filetype,extent"
    assert step.argv[-4:] == ("-U", "u", "-L", "l")


def test_xfs_becomes_v4() -> None:
    (step,) = decide_repair(replace(GOOD, type="xfs", refused=("v5", "ftype"))).steps
    assert isinstance(step, Remake)
    assert "crc=0,uuid=u" in step.argv


@pytest.mark.parametrize(("kind", "refused"), [("btrfs", "devices"), ("ext4", "journal_dev"), ("btrfs", "btrfs")])
def test_what_stays_unreadable_is_said(kind: str, refused: str) -> None:
    repair = decide_repair(replace(GOOD, type=kind, refused=(refused,)))
    assert repair.steps == ()
    assert "rootfs: {image: …}" in repair.beyond[0]


def test_files() -> None:
    volume = replace(GOOD, misread=("/boot/vmlinuz",), stray=("/boot/grub/grub.cfg",), has_boot_folder=False)
    assert decide_repair(volume).steps == (
        MakeLink("/boot", "."),
        RewriteFile("/boot/vmlinuz"),
        Rename("/boot/grub/grub.cfg", "/boot/grub/grub.cfg.set-aside"),
    )


def test_a_kernel_that_is_packed_anew_is_not_rewritten_too() -> None:
    volume = replace(GOOD, misread=("/boot/vmlinuz", "/boot/initrd"), packed_otherwise=("/boot/vmlinuz",))
    assert decide_repair(volume).steps == (RepackKernel("/boot/vmlinuz"), RewriteFile("/boot/initrd"))


def test_a_menu_that_is_written_anyway_is_not_rewritten_too() -> None:
    volume = replace(GOOD, misread=("/boot/grub/menu.lst",), menu_text=MENU.replace("timeout 3\n", ""))
    assert [type(step) for step in decide_repair(volume).steps] == [WriteFile]


def test_a_menu_is_taken_from_elsewhere() -> None:
    volume = replace(GOOD, menu_text=None, other_menus=(("/grub/grub.conf", MENU),))
    assert decide_repair(volume).steps == (WriteFile("/boot/grub/menu.lst", MENU),)


def test_no_menu_at_all() -> None:
    assert "no menu.lst" in decide_repair(replace(GOOD, menu_text=None)).beyond[0]


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("timeout 3\n", "", "timeout 3"),
        ("default 0\n", "default 7\n", "default 0"),
        ("root (hd0)\n", "root (hd1,2)\n", "root (hd0) instead of (hd1,2)"),
        ("root=UUID=1", "root=/dev/sda", "root=UUID=u instead of /dev/sda"),
        (" console=hvc0", "", "console=hvc0"),
        ("initrd /i\n", "initrd /i\npause\n", "`pause` removed"),
        ("initrd /i\n", "initrd /i\nsavedefault\n", "removed `savedefault`"),
        ("root (hd0)\n", "", "root (hd0) in an entry that had none"),
    ],
)
def test_each_mistake_of_a_menu(old: str, new: str, word: str) -> None:
    edited = edit_menu(MENU.replace(old, new), "(hd0)", {"(hd0)"}, {0: "UUID=u"}, can_save=False)
    assert len(edited.changes) == 1
    assert word in edited.changes[0]
    again = edit_menu(edited.text, "(hd0)", {"(hd0)"}, {0: "UUID=u"})
    assert again.changes == ()
    assert "# kept" in edited.text


def test_without_an_initrd_the_kernel_knows_no_uuid() -> None:
    text = MENU.replace("root=UUID=1", "root=/dev/sda").replace("initrd /i\n", "")
    assert edit_menu(text, "(hd0)", {"(hd0)"}, {0: "UUID=u"}).changes == ()


def test_bytes_that_are_no_utf8_stay() -> None:
    text = MENU.replace("title A", "title \udcff").replace("timeout 3\n", "")
    assert edit_menu(text, "(hd0)", {"(hd0)"}, {}).text.encode("utf-8", "surrogateescape").count(b"\xff") == 1
