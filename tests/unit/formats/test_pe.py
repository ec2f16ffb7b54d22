"""PE heads."""

from __future__ import annotations

import random

from imagebuild.formats.pe import EFI_APPLICATION, PeFacts, read_pe
from tests.boot_code import efi_program


def test_machine_and_subsystem() -> None:
    assert read_pe(efi_program()) == PeFacts("x86_64", EFI_APPLICATION)
    assert read_pe(efi_program(machine=0x14C)) == PeFacts("i386", EFI_APPLICATION)
    assert read_pe(efi_program(machine=0x1234)) == PeFacts("machine 0x1234", EFI_APPLICATION)


def test_what_is_none() -> None:
    assert read_pe(b"") is None
    assert read_pe(b"MZ" + bytes(200)) is None
    assert read_pe(efi_program()[:120]) is None
    for seed in range(50):
        assert read_pe(random.Random(seed).randbytes(300)) is None
