"""The steps that need a kernel, carried out in order in one libguestfs appliance.

It is launched while the tree still populates filesystems outside: volume groups need only the partition table,
and lie where nobody else writes. Only the filling waits for its archives; what the appliance has read of these disks
before (its udev looks for signatures) is forgotten then.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import assert_never

from imagebuild.errors import BuildError
from imagebuild.events import Progress
from imagebuild.filesystems.table import FILESYSTEMS
from imagebuild.host.guest import Drive, Guest, appliance
from imagebuild.plan.disk_vocabulary import (
    ApplianceStep,
    CreateLogicalVolume,
    CreateVolumeGroup,
    Extents,
    MakeAndFill,
)
from imagebuild.vocabulary import Accelerator

IMAGE = "image"
_ROOT = "/sysroot"  # where libguestfs' calls mount, as the appliance's own commands see it
_UNPACK = (
    "tar", "--extract", "--blocking-factor=2048", "--numeric-owner", "--same-owner", "--preserve-permissions",
    "--xattrs", "--xattrs-include=*", "--acls", "--delay-directory-restore",
)  # fmt: skip


@contextlib.contextmanager
def at_work(
    steps: Sequence[ApplianceStep],
    *,
    image: Path,
    archives: Mapping[str, Path],
    acceleration: Accelerator,
    progress: Progress,
) -> Iterator[Callable[[], None]]:
    """Carry the steps out on `image` beside the block. What is yielded waits for the end, and is called once the
    archives are written; they exist before, with the size that they have at most.

    Raises BuildError, HostError, out of that call. A block that ends by an exception ends the work.
    """
    if not steps:
        yield lambda: None
        return
    written = _Archives()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="appliance") as pool:
        work = pool.submit(_run_steps, steps, image, archives, written, acceleration, progress)

        def finish() -> None:
            written.event.set()
            work.result()

        try:
            yield finish
        except BaseException:
            written.given_up = True
            raise
        finally:
            written.event.set()


@dataclass(slots=True)
class _Archives:
    """Whether the archives are written, or never will be."""

    event: threading.Event = field(default_factory=threading.Event)
    given_up: bool = False


def _run_steps(
    steps: Sequence[ApplianceStep],
    image: Path,
    archives: Mapping[str, Path],
    written: _Archives,
    acceleration: Accelerator,
    progress: Progress,
) -> None:
    # The order in which a kernel finds its disks is no promise: each has a name.
    names = {name: f"archive{chr(ord('a') + number)}" for number, name in enumerate(archives)}
    drives = [Drive(image, name=IMAGE)]
    drives += [Drive(path, readonly=True, name=names[name]) for name, path in archives.items()]
    with appliance(drives, acceleration=acceleration, log=progress.log) as guest:
        for step in steps:
            if isinstance(step, MakeAndFill):
                written.event.wait()
            if written.given_up:
                return
            _run(guest, step, names)
        written.event.wait()


def _run(guest: Guest, step: ApplianceStep, names: Mapping[str, str]) -> None:
    match step:
        case CreateVolumeGroup():
            partitions = []
            for volume in step.physical_volumes:
                partitions.append(guest.device(f"{IMAGE}{volume.partition_number}"))
                argv = ["lvm", "pvcreate", "--uuid", volume.uuid, "--norestorefile", "--dataalignment", "1m"]
                guest.shell(*argv, partitions[-1])
            guest.shell("lvm", "vgcreate", "--physicalextentsize", "4m", step.name, *partitions)
        case CreateLogicalVolume():
            _create_volume(guest, step)
        case MakeAndFill():
            _make_and_fill(guest, step, names)
        case _:
            assert_never(step)


def _create_volume(guest: Guest, step: CreateLogicalVolume) -> None:
    """Its content may lie there already: nothing is zeroed or wiped. What does not lie as planned is an error."""
    path = f"{step.volume_group}/{step.name}"
    argv = ["lvm", "lvcreate", "--yes", "--zero", "n", "--wipesignatures", "n", "--name", step.name]
    ranges = [_range(guest, extents) for extents in step.extents]
    if step.stripe_bytes is not None:
        count = sum(extents.count for extents in step.extents)
        argv += ["--extents", str(count), "--stripes", str(len(ranges)), "--stripesize", f"{step.stripe_bytes}b"]
        guest.shell(*argv, step.volume_group, *ranges)
    else:
        guest.shell(*argv, "--extents", str(step.extents[0].count), step.volume_group, ranges[0])
        for extents, wanted in zip(step.extents[1:], ranges[1:], strict=True):
            guest.shell("lvm", "lvextend", "--extents", f"+{extents.count}", path, wanted)
    found = guest.shell("lvm", "lvs", "--noheadings", "--options", "seg_pe_ranges", path).split()
    starts = guest.shell("lvm", "pvs", "--noheadings", "--units", "m", "--options", "pe_start").split()
    if found != ranges or set(starts) != {"1.00m"}:
        raise BuildError(
            f"logical volume {path} is not where the plan put its content",
            details=f"planned: {' '.join(ranges)} behind 1.00m; found: {' '.join(found)} behind {' '.join(starts)}",
        )


def _range(guest: Guest, extents: Extents) -> str:
    device = guest.device(f"{IMAGE}{extents.partition_number}")
    return f"{device}:{extents.first}-{extents.first + extents.count - 1}"


def _make_and_fill(guest: Guest, step: MakeAndFill, names: Mapping[str, str]) -> None:
    """The tool's own options make it; a kernel unpacks the archives, with times, owners, xattrs and hard links."""
    device = step.device if step.device.startswith("/dev/") else guest.device(step.device)
    how = FILESYSTEMS[step.type].kernel_fill
    assert how is not None
    argv = [word.format(uuid=step.uuid, label=step.label or "") for word in how.make]
    if not step.label:
        argv = argv[:-2]
    guest.shell(*argv, *step.options, device)
    # The API has names of its own for disks (guestfs(3), BLOCK DEVICE NAMING), and its kernel may have found them in
    # another order; of the label both know the same. udev may still be looking at what was just written.
    guest.shell("udevadm", "settle")
    labelled = step.device if step.device.startswith("/dev/") else f"/dev/disk/guestfs/{step.device}"
    guest.call("mount_options", how.mount_options, labelled, "/")
    for fill in step.fills:
        directory = f"{_ROOT}/{fill.subvolume}" if fill.subvolume else _ROOT
        if fill.subvolume:
            guest.shell(*how.make_subvolume, directory)
        archive = guest.device(names[fill.archive])
        guest.shell("blockdev", "--flushbufs", archive)
        guest.shell(*_UNPACK, f"--file={archive}", f"--directory={directory}")
    guest.call("umount", "/")
