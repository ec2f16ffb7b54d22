"""The steps that need a kernel, carried out in order in one libguestfs appliance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import assert_never

from imagebuild.errors import BuildError
from imagebuild.host.guest import Acceleration, Drive, Guest, appliance
from imagebuild.plan.steps import (
    ApplianceStep,
    CopyOntoVolume,
    CreateLogicalVolume,
    CreateVolumeGroup,
    MakeAndFill,
    MakeSwapOnVolume,
)
from imagebuild.report import Progress

_SOURCE, _TARGET = "/source", "/target"
MIB = 2**20


def run_steps(
    steps: Sequence[ApplianceStep],
    *,
    image: Path,
    stages: Mapping[str, Path],
    acceleration: Acceleration,
    progress: Progress,
) -> None:
    """The image is the appliance's /dev/sda; staged filesystems follow it, read-only. Raises BuildError, HostError."""
    drives = [Drive(image), *(Drive(path, readonly=True) for path in stages.values())]
    devices = {name: f"/dev/sd{chr(ord('b') + number)}" for number, name in enumerate(stages)}
    with appliance(drives, acceleration=acceleration, log=progress.log) as guest:
        for step in steps:
            _run(guest, step, devices)


def _run(guest: Guest, step: ApplianceStep, stages: Mapping[str, str]) -> None:
    match step:
        case CreateVolumeGroup():
            partitions = [f"/dev/sda{number}" for number in step.partition_numbers]
            for partition in partitions:
                guest.shell("lvm", "pvcreate", "--dataalignment", "1m", partition)
            guest.shell("lvm", "vgcreate", "--physicalextentsize", "4m", step.name, *partitions)
        case CreateLogicalVolume():
            _create_volume(guest, step)
        case CopyOntoVolume():
            guest.call("copy_device_to_device", stages[step.stage], step.device, sparse=True)
        case MakeSwapOnVolume():
            label = {"label": step.label} if step.label else {}
            guest.call("mkswap", step.device, uuid=step.uuid, **label)
        case MakeAndFill():
            _make_and_fill(guest, step, stages[step.stage])
        case _:
            assert_never(step)


def _create_volume(guest: Guest, step: CreateLogicalVolume) -> None:
    """Its content may lie there already: nothing is zeroed or wiped."""
    words = ["lvm", "lvcreate", "--yes", "--zero", "n", "--wipesignatures", "n", "--name", step.name]
    words += ["--size", f"{step.size_bytes}b", step.volume_group]
    if step.extents is None:
        guest.shell(*words)
        return
    extents = step.extents
    wanted = f"/dev/sda{extents.partition_number}:{extents.first}-{extents.first + extents.count - 1}"
    guest.shell(*words, wanted)
    path = f"{step.volume_group}/{step.name}"
    found = guest.shell("lvm", "lvs", "--noheadings", "--options", "seg_pe_ranges", path).strip()
    start = guest.shell("lvm", "pvs", "--noheadings", "--units", "m", "--options", "pe_start", wanted.split(":")[0])
    if found != wanted or not start.strip().startswith("1.00m"):
        raise BuildError(
            f"logical volume {path} does not lie where the plan has laid its content",
            details=f"planned: {wanted} behind 1.00m; found: {found} behind {start.strip()}",
        )


def _make_and_fill(guest: Guest, step: MakeAndFill, stage: str) -> None:
    """The tool's own options make it; a kernel copies the staged tree in, with times, owners, xattrs and hard links."""
    words = {
        "xfs": ["mkfs.xfs", "-q", "-f", "-m", f"uuid={step.uuid}", *(["-L", step.label] if step.label else [])],
        "btrfs": ["mkfs.btrfs", "-q", "-f", "-U", step.uuid, *(["-L", step.label] if step.label else [])],
        "reiserfs": ["mkfs.reiserfs", "-q", "-ff", "-u", step.uuid, *(["-l", step.label] if step.label else [])],
    }[step.type]
    guest.shell(*words, *step.options, step.device)
    guest.call("mkmountpoint", _SOURCE)
    guest.call("mkmountpoint", _TARGET)
    guest.call("mount_ro", stage, _SOURCE)
    guest.call("mount", step.device, _TARGET)
    guest.call("cp_a", f"{_SOURCE}/.", _TARGET)
    guest.call("rmdir", f"{_TARGET}/lost+found")  # the staging filesystem's own
    guest.call("umount", _TARGET)
    guest.call("umount", _SOURCE)
    guest.call("rmmountpoint", _TARGET)
    guest.call("rmmountpoint", _SOURCE)
