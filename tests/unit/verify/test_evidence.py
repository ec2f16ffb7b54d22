"""A boot by the stand-in is no evidence where GRUB 0.97 stops, and an unknown menu is no bad image."""

from __future__ import annotations

from pathlib import Path

from imagebuild.bootloaders.menus.facts import KnownFiles
from imagebuild.bootloaders.menus.grub_legacy import interpret
from imagebuild.bootloaders.pv_grub import MENU_PLACES
from imagebuild.image.subject import Subject
from imagebuild.testhost import Tools
from imagebuild.verify.evidence import entry_stops, stops_grub_097, unknown_menu

_FILES = {"/vmlinuz": b"k", "/initrd": b"i", "/boot/grub/other.lst": b""}


def subject(*lines: str, kernel_error: int = 0) -> Subject:
    menu = "\n".join(("timeout 1", "title A", *lines)).encode()
    files = KnownFiles({(0, None): _FILES}, other_kernels=kernel_error)
    trace = interpret(menu, "(hd0)/boot/grub/menu.lst", files)
    here = Path("/nowhere")
    return Subject(
        here, here, here, Tools(here), 0, None, (), menu_at=MENU_PLACES[0], menu_bytes=menu, traces={"grub-0.97": trace}
    )


def test_a_sound_menu_leaves_the_boot_its_word() -> None:
    sound = subject("root (hd0)", "kernel /vmlinuz", "initrd /initrd")
    assert stops_grub_097(sound, "pv-grub") == entry_stops(sound, "pv-grub") == unknown_menu(sound) == ""


def test_a_stray_word_stops_grub_097_alone() -> None:
    stray = subject("root (hd0)", "timeout 5", "kernel /vmlinuz")
    assert "Error 27" in stops_grub_097(stray, "pv-grub")
    assert "Error 27" in entry_stops(stray, "pv-grub")
    assert stops_grub_097(stray, "pygrub") == entry_stops(stray, "pygrub") == ""


def test_a_kernel_that_the_loader_refuses_may_still_be_tried_under_qemu() -> None:
    refused = subject("root (hd0)", "kernel /vmlinuz", kernel_error=9)
    assert "Error 9" in stops_grub_097(refused, "pv-grub")
    assert entry_stops(refused, "pv-grub") == ""


def test_what_cannot_be_judged_is_said_and_stops_nothing() -> None:
    unknown = subject("dhcp", "root (hd0)", "kernel /vmlinuz")
    assert "depends on the machine" in unknown_menu(unknown)
    assert stops_grub_097(unknown, "pv-grub") == ""
