"""Which accelerator QEMU can use here: tried by running a guest, never assumed.

/dev/kvm may be there, open and create a virtual machine, and then no instruction is ever run (a nested machine whose
outer one does not pass virtualisation on), or QEMU aborts. So a guest of a few instructions is run under a limit.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Literal

from imagebuild.host import command
from imagebuild.host.cache import Cache

Accelerator = Literal["kvm", "tcg"]
KIND = "acceleration"
PROGRAM = "qemu-system-x86_64"
PACKAGE = "qemu-system-x86"
_KVM = Path("/dev/kvm")
_LIMIT_SECONDS = 5.0
# A boot sector: `mov dx, 0x501; mov al, 42; out dx, al; hlt`, and again should that return. The port belongs to
# QEMU's isa-debug-exit, which ends QEMU with the exit code 2 * value + 1.
_SECTOR = (b"\xba\x01\x05\xb0\x2a\xee\xf4\xeb\xfd").ljust(510, b"\0") + b"\x55\xaa"
_EXIT_CODE = 2 * 42 + 1


def accelerator(cache: Cache) -> Accelerator:
    """`kvm` if a guest has been seen to run under it since this machine was booted, else `tcg` (QEMU's emulator).

    The first call may take five seconds; the answer is kept in the cache. Raises HostError without QEMU.
    """
    command.require(PROGRAM, PACKAGE)
    if not os.access(_KVM, os.R_OK | os.W_OK):
        return "tcg"

    def make(folder: Path) -> None:
        (folder / "answer").write_text("kvm" if runs_a_guest("kvm") else "tcg", encoding="utf-8")

    path, _ = cache.get(KIND, _digest(), make)
    return "kvm" if (path / "answer").read_text(encoding="utf-8") == "kvm" else "tcg"


def runs_a_guest(name: Accelerator, limit_seconds: float = _LIMIT_SECONDS) -> bool:
    """Whether a guest of a few instructions ran to its end under this accelerator within the limit."""
    with tempfile.TemporaryDirectory(prefix="imagebuild-") as folder:
        disk = Path(folder) / "sector"
        disk.write_bytes(_SECTOR)
        argv = [
            PROGRAM, "-machine", "pc", "-accel", name, "-cpu", "qemu64", "-m", "64", "-nodefaults", "-display", "none",
            "-no-reboot", "-device", "isa-debug-exit,iobase=0x501,iosize=2",
            "-drive", f"file={disk},format=raw,if=ide,snapshot=on",
        ]  # fmt: skip
        return command.attempt(argv, timeout_seconds=limit_seconds).exit_code == _EXIT_CODE


def qemu_version() -> str:
    """QEMU's version line. Raises HostError without QEMU."""
    command.require(PROGRAM, PACKAGE)
    return command.attempt([PROGRAM, "--version"], timeout_seconds=20).output.partition("\n")[0]


def _digest() -> str:
    """The answer holds for this boot of this machine, this QEMU and this user."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    return hashlib.sha256(f"{boot}{qemu_version()}{os.geteuid()}{_SECTOR.hex()}".encode()).hexdigest()
