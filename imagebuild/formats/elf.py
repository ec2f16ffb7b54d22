"""What a program is, by its first bytes: an ELF file with its machine and interpreter, or a script with its own.

Sources: elf(5); Linux' fs/binfmt_elf.c and fs/binfmt_script.c (a script's first line counts 255 bytes, 127 before 5.1).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal

_INTERPRETER_SEGMENT = 3
_MOST_SEGMENTS = 128
_MACHINES = {3: "i386", 62: "x86_64", 40: "ARM", 183: "AArch64", 21: "PowerPC", 243: "RISC-V"}
_MOST_LINE_BYTES = 255


@dataclass(frozen=True, slots=True)
class ProgramFacts:
    """`machine` as the kernel's architecture is called (`x86_64`, `i386`), empty for a script. `interpreter`: the path
    of the program that starts it; empty for a static ELF file."""

    kind: Literal["ELF", "script"]
    machine: str
    interpreter: str


def read_program(data: bytes) -> ProgramFacts | None:
    """The facts of a program; None when the kernel would not start it. Never raises on bad bytes."""
    if data[:2] == b"#!":
        words = data[2:_MOST_LINE_BYTES].split(b"\n")[0].split()
        return ProgramFacts("script", "", words[0].decode("utf-8", "replace")) if words else None
    if len(data) < 52 or data[:4] != b"\x7fELF" or data[5] != 1 or data[4] not in (1, 2):
        return None
    kind, machine = struct.unpack_from("<HH", data, 16)
    if kind not in (2, 3):  # executable, shared (or position independent)
        return None
    return ProgramFacts("ELF", _MACHINES.get(machine, f"ELF machine {machine}"), _interpreter(data))


def _interpreter(data: bytes) -> str:
    wide = data[4] == 2
    if len(data) < 64:
        return ""
    table = struct.unpack_from("<Q" if wide else "<I", data, 32 if wide else 28)[0]
    entry_size, count = struct.unpack_from("<HH", data, 54 if wide else 42)
    for number in range(min(count, _MOST_SEGMENTS)):
        at = table + number * entry_size
        if at + (56 if wide else 32) > len(data):
            break
        if struct.unpack_from("<I", data, at)[0] == _INTERPRETER_SEGMENT:
            offset = struct.unpack_from("<Q" if wide else "<I", data, at + (8 if wide else 4))[0]
            size = struct.unpack_from("<Q" if wide else "<I", data, at + (32 if wide else 16))[0]
            return data[offset : offset + min(size, 4096)].split(b"\0")[0].decode("utf-8", "replace")
    return ""
