"""Which accelerator QEMU can use here: tried by running a guest, never assumed.

/dev/kvm may be there, open and create a virtual machine, and then no instruction is ever run (a nested machine whose
outer one does not pass virtualisation on), or QEMU aborts. So a tiny guest is run under a limit.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from imagebuild.host import command
from imagebuild.host.cache import Cache
from imagebuild.host.cache_kinds import Kind
from imagebuild.host.scratch import scratch_folder
from imagebuild.vocabulary import Accelerator

KIND: Kind = "acceleration"
PROGRAM = "qemu-system-x86_64"
PACKAGE = "qemu-system-x86"
_KVM = Path("/dev/kvm")
_LIMIT_SECONDS = 5.0
# A boot sector that goes where kernels live: it fills page tables at 0x1000, enters long mode (cr4.PAE, EFER.LME,
# cr0.PG), counts twenty million down, and ends QEMU through isa-debug-exit: `mov dx, 0x501; mov al, 42; out dx, al`.
# Real mode alone proves nothing: there are machines whose KVM emulates it and stops at the first step beyond.
_SECTOR = bytes.fromhex(
    "fa6631c08ed88ec0fc66bf001000000f22df"  # cli; ds = es = 0; cld; edi = cr3 = 0x1000
    "b9000c66f3abc70600100320c70600200330c706003083000f20e0"  # clear the tables, link them: one page of 2 MiB
    "0c200f22e066b9800000c00f3280cc010f30660f0116797c"  # cr4 |= PAE; EFER |= LME; lgdt
    "0f20c0660d010000800f22c0ea567c0800"  # cr0 |= PG, PE; jump into the 64-bit segment
    "b9002d3101ffc975fc66ba0105b02aeef4ebfd"  # ecx = 20000000; count down; out; hlt
    "000000000000000000000000009a20000f00697c0000"  # the descriptor table and its address
).ljust(510, b"\0") + bytes.fromhex("55aa")
_EXIT_CODE = 2 * 42 + 1


def accelerator(cache: Cache) -> Accelerator:
    """`kvm` if a guest has been seen to run under it since this machine was booted, else `tcg` (QEMU's emulator).

    The first call may take five seconds; the answer is cached. Raises HostError without QEMU.
    """
    command.require(PROGRAM, PACKAGE)
    if not os.access(_KVM, os.R_OK | os.W_OK):
        return "tcg"

    def make(directory: Path) -> None:
        (directory / "answer").write_text("kvm" if runs_a_guest("kvm") else "tcg", encoding="utf-8")

    path, _ = cache.get(KIND, _digest(), make)
    return "kvm" if (path / "answer").read_text(encoding="utf-8") == "kvm" else "tcg"


def runs_a_guest(name: Accelerator, limit_seconds: float = _LIMIT_SECONDS) -> bool:
    """Whether a guest of a few instructions ran to its end under this accelerator within the limit."""
    with scratch_folder() as directory:
        disk = directory / "sector"
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
