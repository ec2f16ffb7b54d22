"""The writer's conscience: what GRUB 0.97 reads back of a written menu is what was meant, or the menu is refused."""

from __future__ import annotations

import pytest

from imagebuild.bootloaders.menu import Menu, MenuEntry, write_menu
from imagebuild.bootloaders.menus.written import misread


def _menu(title: str = "Web", arguments: str = "root=LABEL=top ro console=hvc0") -> Menu:
    entry = MenuEntry(title, "(hd0)", "/boot/vmlinuz", arguments, "/boot/initrd.img")
    return Menu(default=0, timeout=3, fallback=(), entries=(entry,))


@pytest.mark.parametrize("title", ["#1 of two", "a = b", "two  blanks", "C:\\boot", "caf\u00e9", "x" * 1494])
def test_a_title_that_is_read_back(title: str) -> None:
    assert misread(_menu(title=title)) == ""
    assert f"title {title}\n" in write_menu(_menu(title=title))


@pytest.mark.parametrize("title", ["= Web =", "   Web", "Web \\", "x" * 1501, "a\tb"])
def test_a_title_that_is_not(title: str) -> None:
    assert misread(_menu(title=title))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("ro note=D:\\", ""),
        ("root=LABEL=top " + "a" * 1020, "its command line is read as another, or cut"),
        ("root=LABEL=top a\tb", "its command line is read as another"),
    ],
    ids=["backslash", "too-long", "tab"],
)
def test_a_command_line_that_is_not(arguments: str, words: str) -> None:
    problem = misread(_menu(arguments=arguments))
    assert problem
    assert words in problem


def test_a_command_line_up_to_the_last_byte() -> None:
    assert misread(_menu(arguments="ro " + "a" * 1020)) == ""
    assert misread(_menu(arguments="ro " + "a" * 1021))
