"""What GRUB 2's legacy reader runs under Xen: it forgives order, stray words and a missing initrd."""

from __future__ import annotations

import pytest

from imagebuild.bootloaders.menus.facts import KnownFiles
from imagebuild.bootloaders.menus.grub2_legacy import interpret
from imagebuild.bootloaders.menus.trace import End, Trace

_FILES = KnownFiles({(0, 0): {"/vmlinuz": b"k", "/old": b"k", "/initrd": b"i"}}, tables={0: {0: 0x83}})


def run(*lines: str, head: str = "timeout 1") -> Trace:
    return interpret("\n".join((head, "title A", *lines)).encode(), "hd0,1", _FILES)


@pytest.mark.parametrize(
    ("lines", "initrd"),
    [
        (("root (hd0,0)", "kernel /vmlinuz", "initrd /initrd"), "(hd0,0)/initrd"),
        (("kernel /vmlinuz", "initrd /initrd"), "(hd0,0)/initrd"),
        (("initrd /initrd", "kernel /vmlinuz"), None),
        (("kernel /vmlinuz", "initrd /nothing"), None),
        (("kernel /vmlinuz", "timeout 5", "nonsense", "initrd /initrd"), "(hd0,0)/initrd"),
        (("kernel /vmlinuz", "boot", "initrd /initrd"), None),
    ],
)
def test_it_starts_what_it_can(lines: tuple[str, ...], initrd: str | None) -> None:
    started = run(*lines).started
    assert started is not None
    assert str(started.loaded.kernel) == "(hd0,0)/vmlinuz"
    assert (str(started.loaded.initrd) if started.loaded.initrd else None) == initrd


def test_quotes_reach_the_kernel_with_a_backslash() -> None:
    started = run("kernel /vmlinuz a='b c'").started
    assert started is not None
    assert started.loaded.command_line == "a=\\'b c\\'"


def test_a_comment_behind_the_fallback_is_no_harm() -> None:
    lines = ("kernel /nothing", "title B", "kernel /old")
    trace = run(*lines, head="timeout 1\nfallback 1 # keep")
    assert [run.end for run in trace.runs] == [End.FAILS, End.STARTS]


@pytest.mark.parametrize(
    ("lines", "end"),
    [
        (("kernel /nothing",), End.WAITS_AT_MENU),
        (("root (hd1,0)", "kernel /vmlinuz"), End.WAITS_AT_MENU),
        (("halt",), End.HALTS),
        (("lock", "kernel /vmlinuz"), End.UNKNOWN),
        (("configfile /other",), End.WAITS_AT_MENU),
    ],
)
def test_ends(lines: tuple[str, ...], end: End) -> None:
    assert run(*lines).end is end


def test_without_a_timeout_it_waits() -> None:
    assert run("kernel /vmlinuz", head="").end is End.WAITS_AT_MENU


def test_a_password_bars_all_but_the_last_entry() -> None:
    assert run("kernel /vmlinuz", "title B", "kernel /old", head="timeout 1\npassword x").end is End.WAITS_FOR_KEY
