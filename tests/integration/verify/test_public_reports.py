"""Menus, fstabs and boot sectors of the kinds that public bug reports tell of: each has its verdict, with its reason.

One image each, with `verify --with static`. A good one has exit code 0 and no failed check, a bad one 10, and one that
nobody can judge from outside 6. What GRUB 0.97's own shell does with such menus is held in tests/menus.
"""

from __future__ import annotations

import dataclasses
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from imagebuild.cli.run import run
from imagebuild.errors import BAD_IMAGE, OK, VerifyError
from tests.images import (
    INITRD,
    KERNEL,
    ROOT_UUID,
    Filesystem,
    changed,
    make_image,
    make_partitioned,
    menu,
    noise,
    tree,
)

pytestmark = [pytest.mark.integration, pytest.mark.needs("testhost")]

_CODES = {"passed": OK, "failed": BAD_IMAGE, "unverified": VerifyError.exit_code}
_ABSENT = "0badf00d-5555-4666-8777-888888888888"
_MIB = 2**20
_ROOT = "root (hd0,0)"
_LINUX = f"kernel /{KERNEL} root=UUID={ROOT_UUID} ro console=hvc0"
_GONE = f"kernel /boot/vmlinuz-9.9 root=UUID={ROOT_UUID} ro console=hvc0"
_INITRD = f"initrd /{INITRD}"
_BASE = changed(Filesystem(), type="ext3", features="", label="top")


@dataclass(frozen=True)
class Report:
    """`check` has `outcome` (failed where the verdict is, else passed) with `words` in its detail, and none of the
    report's details has `never` in it. `make` makes the image of a tree."""

    name: str
    verdict: str
    check: str
    words: str
    menu: bytes | str = menu(root="(hd0,0)")
    fstab: str = f"UUID={ROOT_UUID} / ext3 defaults 0 1\n"
    outcome: str = ""
    never: str = "(nothing says this)"
    more: tuple[tuple[str, bytes], ...] = ()
    make: Callable[[Path, Filesystem], object] = make_partitioned

    def write(self, target: Path) -> None:
        text = self.menu if isinstance(self.menu, bytes) else self.menu.encode()
        files = {**tree(menu=text, fstab=self.fstab.encode()), **dict(self.more)}
        self.make(target, changed(_BASE, files=files))

    @property
    def expected(self) -> str:
        return self.outcome or ("failed" if self.verdict == "failed" else "passed")


def _entry(*lines: str, head: str = "default 0\ntimeout 0\n") -> str:
    return "\n".join([head, "title One", *lines]) + "\n"


def _by(device: str) -> str:
    return menu(root="(hd0,0)", device=device)


def _three(fallback: str) -> str:
    """The first entry's kernel is gone; two sound ones follow."""
    entries = (("First", _GONE), ("Second", _LINUX), ("Third", _LINUX))
    texts = [f"title {title}\n{_ROOT}\n{line}\n{_INITRD}\n" for title, line in entries]
    return "\n".join([f"default 0\ntimeout 0\n{fallback}\n", *texts])


def _bare(sector: bytes, at: int, *, behind: bytes = b"", cut: int = 0) -> Callable[[Path, Filesystem], object]:
    """An image without a partition table: `sector` written at `at`, bytes put behind its end, or cut off it."""

    def make(target: Path, filesystem: Filesystem) -> None:
        make_image(target, filesystem)
        with target.open("r+b") as file:
            file.seek(at)
            file.write(sector)
            file.seek(0, 2)
            file.write(behind)
            file.truncate(file.tell() - cut)

    return make


def extlinux_like() -> bytes:
    """A boot sector with the fields of extlinux' (core/diskboot.inc, libinstaller/syslxint.h): a jump, the name, a BPB
    of 512-byte sectors, code over the table's four slots, their flags no flags, FE 02 B2 3E 18 37 behind them."""
    code = b"\xeb\x58\x90SYSLINUX" + struct.pack("<HBHBHHBHHH", 512, 0, 0, 0, 0, 0, 0xF8, 0, 63, 255) + noise(410, 7)
    return code[:440].ljust(440, b"\x90") + noise(64, 8) + bytes.fromhex("fe02b23e1837") + b"\x55\xaa"


def _fields_that_are_no_flags() -> bytes:
    """Code where a table would be: flags of neither 00 nor 80, and the signature."""
    slots = b"".join(bytes((flag,)) + noise(15, flag) for flag in (0x12, 0x74, 0xE8, 0x43))
    return slots + b"\x55\xaa"


_LONG = " ".join(f"unused.option{number:02}=abcdefghij" for number in range(60))

REPORTS = (
    # names of the root under /dev/disk
    Report("root-by-uuid", "passed", "root-device", "(ext3)", _by(f"/dev/disk/by-uuid/{ROOT_UUID}")),
    Report("root-by-label", "passed", "root-device", "(ext3)", _by("/dev/disk/by-label/top")),
    Report("root-by-id", "failed", "root-device", "a Xen disk has no such name", _by("/dev/disk/by-id/scsi-A-part1"),
           never="logical volume"),
    # an entry's lines in their order
    Report("kernel-before-root", "failed", "menu-default", "Error 21", _entry(
        _LINUX, _ROOT, _INITRD, "\ntitle Two", _LINUX, _ROOT, _INITRD, head="default saved\nfallback 1\ntimeout 0\n")),
    Report("initrd-before-kernel", "failed", "menu-default", "Error 19", _entry(_ROOT, _INITRD, _LINUX)),
    Report("root-in-head", "failed", "menu-default", "Error 21", _entry(
        _LINUX, _INITRD, head=f"{_ROOT}\ndefault 0\ntimeout 0\n")),
    # the way to the fallback
    Report("fallback", "passed", "menu-default", "continues with entry 1 (Second)",
           _three("fallback 1"), outcome="warned"),
    Report("fallback-two", "passed", "menu-default", "continues with entry 1 (Second)", _three("fallback 1 2"),
           outcome="warned"),
    Report("fallback-with-a-remark", "failed", "menu-default", "Error 15", _three("fallback 1    # the one before")),
    # how a line is read
    Report("crlf", "passed", "menu-default", "entry 0 (Test)", menu(root="(hd0,0)").replace("\n", "\r\n")),
    Report("tabs", "passed", "menu-default", "entry 0 (One)", (
        f"default\t\t0\n\ttimeout\t0\n\n\ttitle\t\tOne\n\troot\t(hd0,0)\n\tkernel\t\t{_LINUX[7:]}\n\tinitrd\t/{INITRD}\n")),
    Report("joined-lines", "passed", "root-device", "(ext3)", _entry(
        _ROOT, f"kernel /{KERNEL} ro \\\n    root=UUID={ROOT_UUID} \\\n    console=hvc0", _INITRD)),
    Report("byte-order-mark", "failed", "menu-timeout", "waits at the menu forever", _entry(
        _ROOT, _LINUX, _INITRD, head="\ufefftimeout 0\ndefault 0\n")),
    Report("remark-ends-in-a-backslash", "failed", "menu-timeout", "waits at the menu forever", _entry(
        _ROOT, _LINUX, _INITRD, head="default 0\n# D:\\images\\\ntimeout 0\n")),
    Report("kernel-ends-in-a-backslash", "failed", "initrd", "no initrd", _entry(_ROOT, f"{_LINUX} a=D:\\", _INITRD)),
    Report("no-break-space-behind-kernel", "failed", "menu-default", "Error", _entry(
        _ROOT, _LINUX.replace("kernel ", "kernel\xa0"), _INITRD)),
    Report("no-break-space-behind-the-path", "failed", "boot-files", "Error 15", _entry(
        _ROOT, _LINUX.replace(" root=", "\xa0root="), _INITRD)),
    Report("line-of-1600", "failed", "root-device", "no root=", _entry(
        _ROOT, f"kernel /{KERNEL} ro {_LONG} root=UUID={ROOT_UUID} console=hvc0", _INITRD)),
    # other commands of an entry
    Report("rootnoverify", "passed", "menu-default", "entry 0 (One)", _entry(
        "rootnoverify (hd0,0)", _LINUX.replace("kernel", "kernel ="), f"initrd = /{INITRD}", "boot",
        head="color = 3\ndefault 0\ntimeout 0\n")),
    Report("boot-before-initrd", "failed", "initrd", "no initrd", _entry(_ROOT, _LINUX, "boot", _INITRD)),
    Report("find-fails", "failed", "menu-default", "Error 15", _entry(_ROOT, "find /nothing/here", _LINUX, _INITRD)),
    Report("other-menu", "unverified", "menu-default", "its result depends on the machine: another menu is loaded",
           _entry("configfile (hd0,0)/boot/second.lst"), outcome="skipped",
           more=(("boot/second.lst", menu(root="(hd0,0)").encode()),)),
    # fstab: what the boot requires, and what it only wants
    Report("swap-label-missing", "passed", "fstab", "90 s", outcome="warned", fstab=(
        f"UUID={ROOT_UUID} / ext3 noatime 1 1\nnone /dev/pts devpts gid=5 0 0\nnone /run tmpfs defaults 0 0\n"
        "LABEL=pages none swap sw 0 0\n")),
    Report("swap-uuid-missing", "passed", "fstab", "90 s", outcome="warned", fstab=(
        f"UUID={ROOT_UUID} / ext3 defaults 0 1\nUUID={_ABSENT} none swap sw 0 0\n")),
    Report("data-automount", "passed", "fstab", "first used", outcome="warned", fstab=(
        f"UUID={ROOT_UUID} / ext3 defaults 0 1\n"
        f"UUID={_ABSENT} /srv ext4 x-systemd.automount,x-systemd.device-timeout=9 0 2\n")),
    Report("second-disk-of-cloud-init", "passed", "fstab", "a disk beside the image", outcome="warned", fstab=(
        f"UUID={ROOT_UUID} / ext3 defaults 0 1\n/dev/xvdb /media auto defaults,nobootwait,comment=cloudconfig 0 2\n"
        "/dev/xvda3 none swap sw,comment=cloudconfig 0 0\n")),
    Report("fstab-root-by-path", "passed", "fstab", "every filesystem is in the image", fstab=(
        f"/dev/disk/by-uuid/{ROOT_UUID} / ext3 defaults 0 1\n/dev/disk/by-label/top /twice ext3 noauto 0 0\n"
        "/dev/cdrom /media/disc udf,iso9660 user,noauto 0 0\n/dev/fd0 /media/disk auto rw,noauto 0 0\n")),
    Report("data-uuid-missing", "failed", "fstab", "emergency mode", fstab=(
        f"UUID={ROOT_UUID} / ext3 defaults 0 1\nUUID={_ABSENT} /srv ext4 defaults 0 2\n")),
    Report("data-by-path-missing", "failed", "fstab", "emergency mode", fstab=(
        f"UUID={ROOT_UUID} / ext3 defaults 0 1\n/dev/disk/by-uuid/{_ABSENT} /srv ext4 defaults 0 2\n")),
    # a filesystem that begins with the disk
    Report("boot-sector-of-extlinux", "passed", "partition-table", "none: ext3", menu(),
           make=_bare(extlinux_like(), 0)),
    Report("signature-only", "passed", "partition-table", "none: ext3", menu(), make=_bare(b"\x55\xaa", 510)),
    Report("odd-flags", "passed", "partition-table", "none: ext3", menu(),
           make=_bare(_fields_that_are_no_flags(), 446)),
    Report("odd-size", "passed", "partition-table", "none: ext3", menu(), make=_bare(b"", 0, behind=b"tail")),
    Report("cut", "failed", "filesystem", "bad geometry", menu(), make=_bare(b"", 0, cut=2 * _MIB)),
)  # fmt: skip


def _verified(image: Path, folder: Path) -> tuple[int, dict[str, Any]]:
    code = run(["verify", str(image), "--with", "static", "--force", "-o", str(folder)])
    return code, json.loads((folder / "report.json").read_text())


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.name)
def test_the_verdict_and_its_reason(report: Report, tmp_path: Path) -> None:
    report.write(tmp_path / "image.raw")
    code, found = _verified(tmp_path / "image.raw", tmp_path / "out")
    failed = [check for check in found["checks"] if check["outcome"] == "failed"]
    verdict = "checked-not-booted" if report.verdict == "passed" else report.verdict  # no boot was asked for
    assert (found["verdict"], code) == (verdict, _CODES[report.verdict]), failed
    assert (failed != []) == (report.verdict == "failed"), failed
    own = [check for check in found["checks"] if check["name"] == report.check]
    assert any(check["outcome"] == report.expected and report.words in check["detail"] for check in own), own
    assert [check for check in found["checks"] if report.never in check["detail"]] == []


def test_a_dead_fallback_is_a_failure_for_those_who_require_it(tmp_path: Path) -> None:
    dead = menu(root="(hd0,0)", head="default 0\nfallback 1\ntimeout 0\n", more=f"\ntitle Old\n{_ROOT}\n{_GONE}\n")
    dataclasses.replace(REPORTS[0], menu=dead).write(tmp_path / "image.raw")
    argv = ["verify", str(tmp_path / "image.raw"), "--with", "static", "--force", "-o", str(tmp_path / "out")]
    assert run(argv) == OK
    assert run([*argv, "--require", "fallback"]) == BAD_IMAGE
