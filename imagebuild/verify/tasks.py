"""The boot that each machine is to do for an image, or why there is none.

The subject's readers are one thread's, so all that a boot needs from the image is read here.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from imagebuild.events import Progress
from imagebuild.host.cache import Cache
from imagebuild.host.memory import available_bytes
from imagebuild.image.boot_files import NoEntry, default_entry_files
from imagebuild.image.menu_runs import trace_of
from imagebuild.image.subject import Subject
from imagebuild.report import Outcome
from imagebuild.testhost import TestHost
from imagebuild.verify import xen
from imagebuild.verify.evidence import entry_stops, unknown_menu
from imagebuild.verify.firmware import FIRMWARES, PcBoot, own_loader, unheard
from imagebuild.verify.guest_start import loader_for, why_not_under_xen
from imagebuild.verify.guests import PV, PVH
from imagebuild.verify.loaders import pvh_guest_loader
from imagebuild.verify.qemu import QemuBoot, why_not
from imagebuild.verify.request import Request
from imagebuild.vocabulary import MachineName

# What must be left for everybody else when machines run side by side.
_SPARE_MEMORY_BYTES = 512 * 2**20
_QEMU_OVERHEAD_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True)
class NoBoot:
    """There is no boot to do, and why. `outcome` of its check; None: the machine could not judge."""

    reason: str
    outcome: Outcome | None = None


def qemu_task(subject: Subject, request: Request) -> QemuBoot | NoBoot:
    if reason := unknown_menu(subject):
        return NoBoot(reason)
    files = default_entry_files(subject)
    stops = files.reason if isinstance(files, NoEntry) else entry_stops(subject, request.loader)
    if isinstance(files, NoEntry) or stops:
        return NoBoot(f"the image's menu names nothing that can be started: {stops}", Outcome.FAILED)
    settings = request.qemu
    task = QemuBoot(
        subject.raw, files.kernel, files.initrd, files.command_line,
        settings.memory_bytes, settings.timeout_seconds, settings.expect,
    )  # fmt: skip
    why = why_not(task)
    return NoBoot(why, Outcome.SKIPPED) if why else task


def xen_task(
    subject: Subject, request: Request, host: TestHost, cache: Cache, progress: Progress
) -> xen.XenBoot | NoBoot:
    if reason := why_not_under_xen(default_entry_files(subject)):
        return NoBoot(reason)
    trace_of(subject, "grub-0.97")  # read here: the boots' threads only look it up
    loader = loader_for(subject, host, asked=request.pv_grub, cache=cache, meant_for=request.loader)
    if loader.note:
        progress.note(f"xen: {loader.note}")
    settings = request.xen
    return xen.XenBoot(
        image=subject.raw,
        loader=loader,
        memory_bytes=settings.memory_bytes,
        timeout_seconds=settings.timeout_seconds,
        expect=settings.expect,
        menu_text=subject.menu_text,
        menu_waits=_menu_waits(subject),
    )


def pvh_task(
    subject: Subject, request: Request, host: TestHost, cache: Cache, progress: Progress
) -> xen.XenBoot | NoBoot:
    if reason := unknown_menu(subject):
        return NoBoot(reason)
    settings = request.pvh
    return xen.XenBoot(
        image=subject.raw,
        loader=pvh_guest_loader(host, subject.layout, cache, progress),
        memory_bytes=settings.memory_bytes,
        timeout_seconds=settings.timeout_seconds,
        expect=settings.expect,
        menu_text=subject.menu_text,
        menu_waits=_menu_waits(subject),
        guest=PVH,
    )


def pc_task(subject: Subject, request: Request, machine: MachineName) -> PcBoot | NoBoot:
    """For `bios` and `uefi`."""
    loader = own_loader(subject, machine)
    if loader is None:
        reason = f"the image carries no boot code that a PC's {'BIOS' if machine == 'bios' else 'UEFI'} could start"
        return NoBoot(reason, Outcome.FAILED)
    if reason := unheard(subject):
        return NoBoot(reason)
    settings = request.settings(machine)
    return PcBoot(
        subject.raw, FIRMWARES[machine], loader, settings.disk, settings.memory_bytes, settings.timeout_seconds,
        settings.expect, subject.menu_text, _menu_waits(subject),
    )  # fmt: skip


def _menu_waits(subject: Subject) -> bool:
    return subject.menu is not None and subject.menu.timeout is None


def at_once(request: Request, machines: Sequence[MachineName]) -> int:
    """How many of these boots fit side by side: as processors and memory allow, the largest ones counted."""
    needs = sorted((_memory_bytes(request, machine) for machine in machines if machine != "static"), reverse=True)
    room = available_bytes() - _SPARE_MEMORY_BYTES
    most = min(len(os.sched_getaffinity(0)), len(needs))
    return max(1, sum(sum(needs[:count]) <= room for count in range(1, most + 1)))


def _memory_bytes(request: Request, machine: MachineName) -> int:
    memory_bytes = request.settings(machine).memory_bytes
    if machine in ("xen", "pvh"):
        return xen.machine_memory_bytes(memory_bytes, PVH if machine == "pvh" else PV)
    return memory_bytes + _QEMU_OVERHEAD_BYTES
