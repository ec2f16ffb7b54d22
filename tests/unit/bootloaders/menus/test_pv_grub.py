"""PV-GRUB's own ways, which its shell does not have: what the differential test cannot see."""

from __future__ import annotations

import pytest

from imagebuild.bootloaders.menus.facts import EverythingThere, KnownFiles
from imagebuild.bootloaders.menus.grub_legacy import interpret
from imagebuild.bootloaders.menus.trace import End, Trace

_KERNEL, _OTHER = "/boot/vmlinuz", "/boot/old"
_CONTENT = {_KERNEL: b"k", _OTHER: b"k", "/boot/initrd.img": b"i", "/boot/grub/other.lst": b"timeout 0\ntitle O\n"}


def run(text: str, files: KnownFiles | None = None) -> Trace:
    known = files or KnownFiles({(0, None): _CONTENT})
    return interpret(text.encode(), "(hd0)/boot/grub/menu.lst", known)


def one(*lines: str, head: str = "timeout 0") -> Trace:
    return run("\n".join((head, "title A", *lines)) + "\n")


def test_a_whole_disk_is_mounted_and_the_trace_says_what_is_started() -> None:
    trace = one("root (hd0)", f"kernel {_KERNEL} root=x ro", "initrd /boot/initrd.img")
    assert trace.started is not None
    assert str(trace.started.loaded.kernel) == f"(hd0){_KERNEL}"
    assert trace.started.loaded.command_line == "root=x ro"
    assert next(str(step) for step in trace.started.steps) == "line 3: `root (hd0)`: (hd0) is the root device"


@pytest.mark.parametrize(
    ("lines", "number"),
    [
        ((f"kernel {_KERNEL}",), 21),
        (("root (hd1)", f"kernel {_KERNEL}"), 21),
        (("root (hd0,0)",), 5),
        (("root (hd0)", "initrd /boot/initrd.img"), 19),
        (("root (hd0)", "module /boot/initrd.img"), 20),
        (("boot",), 8),
        (("timeout 5", "root (hd0)", f"kernel {_KERNEL}"), 27),
        (("root (hd0)", "terminal serial"), 33),
        (("root (hd0)", "terminal console"), 30),
        (("savedefault", "root (hd0)"), 15),
        (("root (hd0)", "makeactive"), 12),
    ],
)
def test_errors(lines: tuple[str, ...], number: int) -> None:
    trace = one(*lines)
    assert trace.end is End.WAITS_FOR_KEY
    assert trace.runs[-1].failed_step is not None
    assert trace.runs[-1].failed_step.error is not None
    assert trace.runs[-1].failed_step.error.number == number


def test_a_kernel_that_is_none_is_seen_at_the_end_and_the_fallback_is_tried() -> None:
    files = KnownFiles({(0, None): _CONTENT}, kernels={_KERNEL: 9})
    text = f"timeout 0\nfallback 1\ntitle A\nroot (hd0)\nkernel {_KERNEL}\ntitle B\nroot (hd0)\nkernel {_OTHER}\n"
    trace = run(text, files)
    assert [run.end for run in trace.runs] == [End.FAILS, End.STARTS]
    assert "at the end: `boot`: Error 9" in trace.runs[0].reason


def test_a_guest_gets_1023_bytes() -> None:
    trace = one("root (hd0)", f"kernel {_KERNEL} {'x' * 1100}")
    assert trace.started is not None
    assert trace.started.loaded.command_line == "x" * 1023


@pytest.mark.parametrize(
    ("lines", "end"),
    [
        (("pause",), End.WAITS_FOR_KEY),
        (("password x",), End.WAITS_FOR_KEY),
        (("halt",), End.HALTS),
        (("reboot",), End.REBOOTS),
        (("root (hd0)",), End.WAITS_AT_MENU),
        (("dhcp",), End.UNKNOWN),
        (("root (hd0)", "configfile /boot/grub/other.lst"), End.NO_ENTRY),
    ],
)
def test_ends(lines: tuple[str, ...], end: End) -> None:
    assert one(*lines).end is end


def test_eight_fallbacks_that_do_not_exist_never_end() -> None:
    assert one("root (hd0)", head="timeout 0\nfallback 9 10 11 12 13 14 15 16").end is End.HANGS


def test_a_menu_that_loads_itself_never_ends() -> None:
    text = "timeout 0\ntitle A\nconfigfile (hd0)/boot/grub/menu.lst\n"
    assert run(text, KnownFiles({(0, None): {"/boot/grub/menu.lst": text.encode()}})).end is End.HANGS


def test_the_saved_entry_is_read_from_the_file_beside_the_menu() -> None:
    files = KnownFiles({(0, None): {**_CONTENT, "/boot/grub/default": b"1\n##########\n"}})
    text = "default saved\ntimeout 0\ntitle A\nboot\ntitle B\nboot\n"
    assert run(text, files).default == 1


def test_without_an_image_every_file_is_there() -> None:
    trace = interpret(b"timeout 1\ntitle A\nroot (hd0,0)\nkernel /x\n", "(hd0,0)/m", EverythingThere(partitioned=True))
    assert trace.started is not None
