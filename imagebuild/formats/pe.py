"""The head of a PE/COFF file: for which machine it is, and whether a UEFI firmware starts it.

Source: Microsoft's PE format (e_lfanew at 0x3c, Machine behind the signature, Subsystem in the optional header); UEFI
specification 2.10, 2.1.1 (subsystem 10: an EFI application) and 3.5.1.1 (the removable path of each machine).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

EFI_APPLICATION = 10
MACHINES = {0x8664: "x86_64", 0x14C: "i386", 0xAA64: "AArch64", 0x1C0: "ARM", 0x1C2: "ARM"}
# On the EFI system partition, by the machine that looks for it.
REMOVABLE_PATHS = {"x86_64": "/EFI/BOOT/BOOTX64.EFI", "i386": "/EFI/BOOT/BOOTIA32.EFI"}
_SUBSYSTEM_AT = 4 + 20 + 68  # behind the signature, the COFF header, in PE32 and PE32+ alike


@dataclass(frozen=True, slots=True)
class PeFacts:
    """`machine`: `x86_64`, `i386` … or its number."""

    machine: str
    subsystem: int


def read_pe(data: bytes) -> PeFacts | None:
    """None where it is no PE file. Total: never raises on bad bytes."""
    if len(data) < 0x40 or data[:2] != b"MZ":
        return None
    at = struct.unpack_from("<I", data, 0x3C)[0]
    if data[at : at + 4] != b"PE\0\0" or len(data) < at + _SUBSYSTEM_AT + 2:
        return None
    machine = struct.unpack_from("<H", data, at + 4)[0]
    subsystem = struct.unpack_from("<H", data, at + _SUBSYSTEM_AT)[0]
    return PeFacts(MACHINES.get(machine, f"machine {machine:#x}"), subsystem)
