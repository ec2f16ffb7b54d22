"""The console, followed: recorded boots (consoles/, thinned out) and made-up ones, cut into chunks anywhere."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from imagebuild.report import BootEnd
from imagebuild.verify import signs
from imagebuild.verify.console import Console, Text

CONSOLES = Path(__file__).parent / "consoles"
MENU = "default 0\ntimeout 3\ntitle Debian 12\nroot (hd0)\nkernel /boot/vmlinuz root=UUID=1 console=hvc0\n"
XEN = b"(XEN) Xen version 4.17\r\nimagebuild: dom0 ready\r\nimagebuild: guest starts\r\n"
LOADER = XEN + b"imagebuild: stand-in loader\r\n"
KERNEL = LOADER + b"[    0.000000] Linux version 6.1.0\r\n"


def xen_console(
    *,
    loader: str = "stand-in",
    expect: str = "login:",
    menu: str = MENU,
    waits: bool = False,
    log: io.BytesIO | None = None,
) -> Console:
    return Console(signs.xen_signs(expect, menu), signs.xen_fatals(loader, menu_waits=waits), log or io.BytesIO())


def qemu_console() -> Console:
    return Console(signs.qemu_signs("login:"), signs.GUEST_FATALS, io.BytesIO())


def told(console: Console, data: bytes, size: int = 1000) -> Console:
    for start in range(0, len(data), size):
        console.feed(data[start : start + size], float(start))
    return console


def names(console: Console) -> list[str]:
    return [milestone.name for milestone in console.milestones]


@pytest.mark.parametrize("size", [1, 7, 4096, 10**6])
def test_a_boot_under_xen_reaches_its_login_prompt_however_it_is_cut(size: int) -> None:
    console = told(xen_console(), (CONSOLES / "xen-stand-in-login.txt").read_bytes(), size)
    assert console.ending is not None
    assert console.ending.end is BootEnd.REACHED
    assert names(console) == ["xen", "dom0", "guest", "loader", "kernel", "root", "init", "login"]


def test_a_boot_under_qemu_reaches_its_login_prompt() -> None:
    console = told(qemu_console(), (CONSOLES / "qemu-login.txt").read_bytes())
    assert names(console) == ["kernel", "root", "init", "login"]


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_a_getty_whose_console_timed_out_ends_the_boot_at_that_line(size: int) -> None:
    """systemd 252 on a machine that had been busy for five minutes: the prompt can never come."""
    recorded = (CONSOLES / "getty-timed-out.txt").read_bytes()
    console = told(xen_console(), LOADER + recorded, size)
    assert console.ending is not None
    assert (console.ending.end, console.out_of_time) == (BootEnd.FATAL, True)
    assert "Timed out waiting for device dev-hvc0.device - /dev/hvc0." in console.ending.detail
    assert "no login prompt can appear" in console.ending.detail
    assert "last milestone: init" in console.ending.detail
    at = recorded.index(b"Timed out waiting for device")
    alone = told(xen_console(), LOADER + recorded[:at])
    assert alone.ending is None, "nothing before it decides"
    second = recorded[recorded.index(b"Dependency failed for") :]
    depends = told(xen_console(), LOADER + recorded[:at] + b"\n" + second)
    assert depends.ending is not None
    assert "Dependency failed for" in depends.ending.detail


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"Kernel panic - not syncing: VFS: Unable to mount root fs\r\n", "the kernel gave up"),
        (b"ALERT!  UUID=1 does not exist.  Dropping to a shell!\r\n", "root filesystem was not found"),
        (b"(initramfs) \x1b[6n", "initial ramdisk's shell"),
        (b"Give root password for maintenance\r\n(or press Control-D to continue): ", "emergency shell"),
        (b"You are in emergency mode. After logging in, type\r\n", "emergency shell"),
        (b"\x1b[1;31mKernel pan\x1b[0mic - not syncing: Attempted to kill init!\r\n", "the kernel gave up"),
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
@pytest.mark.parametrize("before", [KERNEL, LOADER], ids=["kernel", "quiet-kernel"])
def test_what_no_guest_recovers_from_ends_the_boot(before: bytes, size: int, text: bytes, says: str) -> None:
    console = told(xen_console(), before + text, size)
    assert console.ending is not None
    assert console.ending.end is BootEnd.FATAL
    assert console.ending.blames == "image"
    assert says in console.ending.detail
    assert f"last milestone: {console.phase}" in console.ending.detail


@pytest.mark.parametrize(
    ("loader", "text", "says"),
    [
        ("stand-in", b"imagebuild: loader gave up: no menu at (hd0)/boot/grub/menu.lst\r\n", "no menu at"),
        ("stand-in", b"Failed to boot both default and fallback entries.\r\n", "gave up"),
        ("stand-in", b"\x1b[5;1Hgrub> ", "prompt"),
        ("stand-in", b"error: not xen image.\r\n", "Xen can start"),
        ("pv-grub", b"grubdom> ", "prompt"),
        ("pv-grub", b"Error 15: File not found\r\n\r\nPress any key to continue...", "Press any key"),
        ("pv-grub", b"xc_dom_parse_image returned -1\r\n", "Xen can start"),
    ],
)
def test_a_loader_that_gives_up_ends_the_boot(loader: str, text: bytes, says: str) -> None:
    console = told(xen_console(loader=loader), LOADER + text)
    assert console.ending is not None
    assert (console.ending.end, console.ending.blames) == (BootEnd.FATAL, "image")
    assert says in console.ending.detail


def test_the_stand_in_only_pauses_where_the_genuine_loader_waits_for_ever() -> None:
    pause = b"error: can't find command `color'.\r\n\r\nPress any key to continue..."
    assert told(xen_console(loader="stand-in"), LOADER + pause).ending is None
    assert told(xen_console(loader="pv-grub"), LOADER + pause).ending is not None


def test_a_menu_without_timeout_is_the_end_once_it_is_shown() -> None:
    shown = LOADER + b"      Press enter to boot the selected OS, `e' to edit\r\n"
    assert told(xen_console(), shown).ending is None
    ending = told(xen_console(waits=True), shown).ending
    assert ending is not None
    assert "no timeout" in ending.detail


@pytest.mark.parametrize(
    "text",
    [
        b"imagebuild: dom0 failed: xenstored did not start\r\n",
        b"Kernel panic - not syncing: in dom0\r\n",
        b"(XEN) Panic on CPU 0:\r\n",
        b"imagebuild: dom0 ready\r\nimagebuild: guest starts\r\nlibxl: error: no memory\r\nimagebuild: guest ended\r\n",
    ],
)
def test_a_fault_of_the_test_host_is_not_the_image_s(text: bytes) -> None:
    ending = told(xen_console(), b"(XEN) Xen version 4.17\r\n" + text).ending
    assert ending is not None
    assert ending.blames == "machine"


def test_a_guest_that_ends_by_itself_is_another_end_than_a_fatal_text() -> None:
    ending = told(xen_console(), KERNEL + b"imagebuild: guest ended\r\n").ending
    assert ending is not None
    assert (ending.end, ending.blames) == (BootEnd.CLOSED, "image")


@pytest.mark.parametrize(
    "text",
    [
        b"Error 5: Partition table invalid or corrupt\r\n",
        b"grub> is the prompt of GRUB\r\n",
        b"imagebuild: loader gave up: says a guest\r\n",
        b"imagebuild: dom0 failed: says a guest\r\n",
        b"Press any key to continue...\r\n",
    ],
)
def test_what_another_part_would_say_does_not_count_once_the_kernel_runs(text: bytes) -> None:
    console = told(xen_console(loader="pv-grub", waits=True), KERNEL + text + b"host login: ")
    assert console.ending is not None
    assert console.ending.end is BootEnd.REACHED


def test_nothing_counts_after_the_login_prompt() -> None:
    console = told(xen_console(), KERNEL + b"host login: \r\nKernel panic - not syncing: too late\r\n", 1)
    assert console.ending is not None
    assert console.ending.end is BootEnd.REACHED


def test_the_menu_and_the_command_line_are_no_login_prompt() -> None:
    menu = MENU.replace("Debian 12", "login: now")
    console = told(xen_console(menu=menu), LOADER + b"  Booting `login: now'\r\n")
    assert console.ending is None
    told(console, b"[    0.000000] Linux version 6.1.0\r\n[    0.0] Kernel command line: banner=login:\r\n")
    assert console.ending is None
    assert told(console, b"host login: ").ending is not None


def test_a_quiet_kernel_needs_to_say_nothing_before_the_login_prompt() -> None:
    console = told(xen_console(), LOADER + b"\r\nDebian GNU/Linux 12 host hvc0\r\n\r\nhost login: ")
    assert names(console) == ["xen", "dom0", "guest", "loader", "login"]


def test_the_end_names_the_last_milestone_and_the_last_words() -> None:
    console = told(xen_console(), KERNEL + b"[    3.0] waiting for nothing\r\n")
    ending = console.close(BootEnd.TIMEOUT, None, "nothing was heard for 150 s", 153.0)
    assert ending.end is BootEnd.TIMEOUT
    assert "last milestone: kernel" in ending.detail
    assert "waiting for nothing" in ending.detail


def test_a_line_without_an_end_is_looked_at_when_the_machine_ends() -> None:
    console = told(xen_console(), KERNEL + b"Kernel panic - not syncing")
    assert console.ending is None
    assert console.close(BootEnd.CLOSED, None, "it ended", 9.0).end is BootEnd.FATAL


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_control_sequences_and_characters_may_be_cut_anywhere(size: int) -> None:
    data = "\x1b[0;32m  OK  \x1b[0m Größe\x1b]0;title\x07 €\x1b(B é𝄞\r\nnext".encode()
    text = Text()
    lines = [line for start in range(0, len(data), size) for line in text.feed(data[start : start + size])]
    assert lines == ["  OK   Größe € é𝄞"]
    assert text.line == "next"


def test_a_hostile_console_costs_no_memory_and_no_sense() -> None:
    log, limit = io.BytesIO(), 2**20
    console = Console(signs.qemu_signs("login:"), signs.GUEST_FATALS, log, limit)
    noise = (bytes(range(256)) * 256).replace(b"\n", b" ").replace(b"\r", b" ")
    for _ in range(32):
        console.feed(noise, 1.0)
    assert console.ending is None
    assert limit < len(log.getvalue()) < limit + 200
    assert len(console._text.line) <= 8192
    told(console, b"\nKernel panic - not syncing: after all\n")
    assert console.ending is not None


def test_the_log_is_kept_from_the_first_byte() -> None:
    log = io.BytesIO()
    data = b"\x00\xff\x1b[2J" + KERNEL
    told(xen_console(log=log), data, 3)
    assert log.getvalue() == data
