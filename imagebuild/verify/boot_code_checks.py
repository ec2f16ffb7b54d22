"""Checks of the boot code that an image carries for PCs: bios-code, efi-code, boot-code-menu."""

from __future__ import annotations

import re
from collections.abc import Iterator

from imagebuild.formats.grub_boot import SECTOR_BYTES, Stretch, overlapping
from imagebuild.formats.pe import EFI_APPLICATION, REMOVABLE_PATHS, read_pe
from imagebuild.formats.text import excerpt
from imagebuild.image.boot_code import (
    BIOS_BOOT_TYPE,
    ESP_TYPES,
    BiosCode,
    EfiCode,
    bios_code,
    efi_codes,
    embedded_configuration,
    partitions_of,
)
from imagebuild.image.subject import Subject
from imagebuild.verify.view import Finding, View, failed, passed, skipped, warned

_MENU_PATH = re.compile(r"/[\w./-]*menu\.lst")
_EFI_MACHINES = {path: machine for machine, path in REMOVABLE_PATHS.items()}


def bios_code_is_whole(view: View) -> Iterator[Finding]:
    """boot.img leads to GRUB's core, which lies whole in the gap or in a BIOS boot partition, and nowhere else."""
    subject = view.subject
    code = bios_code(subject)
    if code is None:
        yield passed("the first sector holds no boot code of GRUB 2: a PC's BIOS does not start it")
        return
    shown = f"boot.img jumps to sector {code.start_sector}"
    if problem := _misplaced(subject, code):
        yield failed(f"{shown}: {problem}")
        return
    assert code.stretches is not None
    sectors = sum(item.sectors for item in code.stretches)
    if code.unpacked is None:
        yield failed(
            f"{shown}: its core of {sectors} sectors is damaged: it does not unpack to the size that it states"
        )
    elif _in_filesystem(subject, code.stretches):
        yield warned(
            f"{shown}: its core lies in a filesystem, by a list of blocks, which whatever moves them makes wrong"
        )
    else:
        yield passed(f"{shown}, its core of {sectors} sectors is whole: GRUB {code.version or 'of unknown version'}")


def _misplaced(subject: Subject, code: BiosCode) -> str:
    if code.stretches is None:
        return "no core of GRUB 2 is there"
    last = subject.size_bytes // SECTOR_BYTES
    for item in code.stretches:
        if item.start_sector == 0 or item.end_sector > last:
            return f"the core's sectors {_shown(item)} are none of the disk's {last} that could hold it"
    if overlapping(code.stretches):
        return f"the core's list names a sector twice: {', '.join(map(_shown, code.stretches))}"
    return next((problem for item in code.stretches if (problem := _occupied(subject, item))), "")


def _occupied(subject: Subject, item: Stretch) -> str:
    """What else lies where the core says that it does. Within one partition alone it may be a file (or its own)."""
    table = subject.table
    if table is None:
        return ""
    touched = [
        part
        for part in table.partitions
        if item.start_sector < part.start_sector + part.sectors and item.end_sector > part.start_sector
    ]
    for part in touched:
        if item.start_sector < part.start_sector or item.end_sector > part.start_sector + part.sectors:
            return f"the core's sectors {_shown(item)} reach over an end of partition {part.number}"
    if table.label == "gpt" and not touched:
        return f"the core's sectors {_shown(item)} lie in no partition: on a GPT nothing keeps them free"
    return ""


def _in_filesystem(subject: Subject, stretches: tuple[Stretch, ...]) -> bool:
    own = {part.number for part in partitions_of(subject, (BIOS_BOOT_TYPE,))}
    parts = [part for part in (subject.table.partitions if subject.table else ()) if part.number not in own]
    return subject.table is None or any(
        part.start_sector <= item.start_sector < part.start_sector + part.sectors
        for part in parts
        for item in stretches
    )


def _shown(item: Stretch) -> str:
    return f"{item.start_sector} to {item.end_sector - 1}"


def efi_code_starts(view: View) -> Iterator[Finding]:
    """Each EFI system partition is FAT, and holds a PE file of the right machine where a firmware looks for one."""
    subject = view.subject
    partitions = partitions_of(subject, ESP_TYPES)
    if not partitions:
        yield passed("no EFI system partition: a UEFI firmware does not start it")
        return
    codes = efi_codes(subject)
    for partition in partitions:
        place = subject.place(f"(hd0,{partition.number - 1})")
        name = f"EFI system partition {partition.number}"
        if place is None or place.type != "vfat":
            yield failed(f"{name} is not FAT ({place.type if place else 'not on the disk'}): no firmware reads it")
            continue
        there = [code for code in codes if code.place == place]
        if not there:
            yield failed(f"{name} holds none of {', '.join(REMOVABLE_PATHS.values())}, where a firmware looks")
        for code in there:
            yield _efi_file(code, name)


def _efi_file(code: EfiCode, name: str) -> Finding:
    if code.content is None:
        return failed(f"{name}: {code.path} cannot be read: {code.problem}")
    facts, wanted = read_pe(code.content), _EFI_MACHINES[code.path]
    if facts is None:
        return failed(f"{name}: {code.path} is no PE file: no firmware starts it")
    if facts.machine != wanted:
        return failed(f"{name}: {code.path} is for {facts.machine}, and a firmware of {wanted} looks for it")
    if facts.subsystem != EFI_APPLICATION:
        return failed(f"{name}: {code.path} is no EFI application (subsystem {facts.subsystem})")
    version = f"GRUB {code.version}" if code.version else "a loader that is not known"
    return passed(f"{name}: {code.path} ({len(code.content)} bytes) is for {wanted}: {version}")


def boot_code_reads_menu(view: View) -> Iterator[Finding]:
    """A core that looks for menu.lst looks where the image has it, and all boot code is of one version of GRUB."""
    cores = dict(_cores(view.subject))
    if not cores:
        yield passed("there is no boot code of GRUB 2")
        return
    for name, content in cores.items():
        yield _finds_menu(view.subject, name, content)
    versions = {name: version for name, version in _versions(view.subject) if version}
    if len(set(versions.values())) > 1:
        shown = ", ".join(f"{name}: GRUB {version}" for name, version in versions.items())
        yield warned(f"the boot code comes from several versions ({shown}): an update has reached one of them only")


def _cores(subject: Subject) -> Iterator[tuple[str, bytes]]:
    code = bios_code(subject)
    if code is not None and code.unpacked is not None:
        yield "BIOS core", code.unpacked
    for efi in efi_codes(subject):
        if efi.content is not None and efi.version:
            yield efi.path, efi.content


def _versions(subject: Subject) -> Iterator[tuple[str, str]]:
    if code := bios_code(subject):
        yield "BIOS core", code.version
    yield from ((efi.path, efi.version) for efi in efi_codes(subject))


def _finds_menu(subject: Subject, name: str, content: bytes) -> Finding:
    configuration = embedded_configuration(content)
    if configuration is None:
        return skipped(f"{name}: it has no settings of its own, and reads them from the disk")
    paths = dict.fromkeys(_MENU_PATH.findall(configuration))
    if not paths:
        return skipped(f"{name}: its own settings name no menu.lst")
    found = subject.menu_at
    if found is None or found.path not in paths or not found.is_first:
        where = f"it lies at {found.place}{found.path}" if found else excerpt(subject.menu_problem)
        return failed(f"{name} looks for {' and '.join(paths)} on the first partition: {where}")
    return passed(f"{name} reads {found.place}{found.path}")
