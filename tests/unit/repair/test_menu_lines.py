"""What a repair does to a menu's lines, judged by the interpreter of GRUB 0.97."""

from __future__ import annotations

import pytest

from imagebuild.bootloaders.menus.facts import EverythingThere
from imagebuild.bootloaders.menus.grub_legacy import interpret
from imagebuild.bootloaders.menus.trace import End, Trace
from imagebuild.repair.menu_edits import edit_menu
from tests.menus.grammar import Grammar

_ROOT, _KERNEL, _INITRD = "root (hd0,0)", "kernel /boot/vmlinuz root=UUID=1 console=hvc0", "initrd /boot/initrd.img"
_HEAD = "default 0\ntimeout 3\n"


def trace(text: str) -> Trace:
    return interpret(text.encode("utf-8", "surrogateescape"), "(hd0,0)/boot/grub/menu.lst", EverythingThere(True))


def edited(text: str) -> tuple[str, tuple[str, ...]]:
    done = edit_menu(text, "(hd0,0)", {"(hd0,0)"}, {}, can_save=False)
    return done.text, done.changes


def entry(*lines: str) -> str:
    return _HEAD + "title A\n" + "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (entry(_ROOT, _INITRD, _KERNEL), "root, kernel, initrd in this order"),
        (entry(_KERNEL, _ROOT, _INITRD), "root, kernel, initrd in this order"),
        (entry(_ROOT, _KERNEL, "boot", _INITRD), "root, kernel, initrd, boot in this order"),
        (entry(_ROOT, "timeout 5", _KERNEL, _INITRD), "inside an entry it is Error 27"),
        (entry(_ROOT, "find /boot/grub/stage1", _KERNEL, _INITRD), "its error would end the entry"),
        (entry(_ROOT, f"{_KERNEL} note=C:\\", _INITRD), "removed a backslash before `initrd"),
        (entry(_ROOT, _KERNEL.replace(" ", "\u00a0", 1), _INITRD), "no-break spaces"),
        (f"\ufeff{entry(_ROOT, _KERNEL, _INITRD)}", "byte order mark"),
        (f"# was C:\\boot\\\n{entry(_ROOT, _KERNEL, _INITRD)}", "removed a backslash before `default 0`"),
        (entry(_ROOT, "kernel /boot/vmlinuz \\", "  root=UUID=1 console=hvc0", _INITRD), "is one line"),
        (f"fallback 1 # keep\n{entry(_ROOT, _KERNEL, _INITRD)}", "`fallback 1` in place of"),
    ],
)  # fmt: skip
def test_what_was_meant_is_started(text: str, words: str) -> None:
    after, changes = edited(text)
    assert any(words in change for change in changes), changes
    started = trace(after).started
    assert started is not None
    assert str(started.loaded.kernel) == "(hd0,0)/boot/vmlinuz"
    assert str(started.loaded.initrd) == "(hd0,0)/boot/initrd.img"
    assert "root=UUID=1" in started.loaded.command_line


def test_a_sound_menu_is_left_alone() -> None:
    text = entry("# kept", _ROOT, _KERNEL, _INITRD)
    assert edited(text) == (text, ())


def test_a_menu_that_starts_is_never_made_one_that_does_not() -> None:
    grammar = Grammar(16)
    for _ in range(300):
        text = grammar.menu().decode("utf-8", "surrogateescape")
        if trace(text).end is End.STARTS:
            assert trace(edited(text)[0]).end is End.STARTS, text
