"""Carries a repair out on a copy of the image, in one libguestfs appliance: a real kernel writes the files."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from imagebuild.errors import BuildError
from imagebuild.formats.repack import RepackError, with_gzip_payload
from imagebuild.host import command
from imagebuild.host.guest import Drive, Guest, appliance
from imagebuild.host.sparse import data_extents, read_extent
from imagebuild.repair.steps import (
    CheckFilesystem,
    DropFeatures,
    MakeLink,
    Remake,
    Rename,
    RepackKernel,
    RewriteFile,
    Step,
    WriteFile,
)
from imagebuild.vocabulary import EXT_TYPES, Accelerator

_IMAGE, _NEW = "image", "new"
_COPY_BYTES = 8 * 2**20
_ROOT = "/sysroot"  # where libguestfs' calls mount, as the appliance's own commands see it


@dataclass(frozen=True, slots=True)
class Place:
    """Where the boot volume lies in the copy: its partition's number (None: the whole disk), and its bytes."""

    partition: int | None
    offset_bytes: int
    size_bytes: int


def carry_out(
    steps: Sequence[Step], copy: Path, place: Place, scratch: Path, acceleration: Accelerator, log: command.Sink
) -> None:
    """Change `copy`, a raw image of our own; `scratch` is a folder for files as large as the boot volume.

    Raises HostError without a working appliance, BuildError when a step fails.
    """
    remakes = any(isinstance(step, Remake) for step in steps)
    drives = [Drive(copy, name=_IMAGE)]
    fresh = scratch / "remade"
    if remakes:
        with fresh.open("wb") as file:
            file.truncate(place.size_bytes)
        drives.append(Drive(fresh, name=_NEW))
    with appliance(drives, acceleration=acceleration, log=log) as guest:
        _in_appliance(guest, steps, place, scratch)
    if remakes:
        _put_back(fresh, copy, place)


def _in_appliance(guest: Guest, steps: Sequence[Step], place: Place, scratch: Path) -> None:
    """First the filesystem, unmounted; then the files in it."""
    device = guest.device(f"{_IMAGE}{place.partition or ''}")
    for step in steps:
        if isinstance(step, CheckFilesystem | DropFeatures | Remake):
            device = _change_filesystem(guest, step, device)
    guest.call("mount", device, "/")
    for step in steps:
        if not isinstance(step, CheckFilesystem | DropFeatures | Remake):
            _change_file(guest, step, scratch)
    guest.call("umount_all")


def _change_filesystem(guest: Guest, step: CheckFilesystem | DropFeatures | Remake, device: str) -> str:
    """Returns the device with the filesystem that is to be worked on from now on."""
    match step:
        case CheckFilesystem():
            _check(guest, step.type, device)
        case DropFeatures():
            _check_ext(guest, device)
            for feature in step.features:
                argv = ["resize2fs", "-s"] if feature == "64bit" else ["tune2fs", "-O", f"^{feature}"]
                guest.shell(*argv, device)
                _check_ext(guest, device)
        case Remake():
            return _remake(guest, step, device)
        case _:
            assert_never(step)
    return device


def _check(guest: Guest, kind: str, device: str) -> None:
    """ext has a checker that replays the journal; for the others, mounting does it."""
    if kind in EXT_TYPES:
        _check_ext(guest, device)
        return
    guest.call("mount", device, "/")
    guest.call("umount_all")


def _check_ext(guest: Guest, device: str) -> None:
    guest.call("e2fsck", device, forceall=True)


def _remake(guest: Guest, step: Remake, device: str) -> str:
    new = guest.device(_NEW)
    argv = list(step.argv)
    if argv[0] == "mke2fs":  # as many inodes as before, at least
        argv += ["-N", str(guest.call("tune2fs_l", device)["Inode count"])]
    guest.shell(*argv, new)
    for folder in ("/old", "/new"):
        guest.call("mkmountpoint", folder)
    options = f",{step.mount_options}" if step.mount_options else ""
    guest.call("mount_options", f"ro{options}", device, "/old")
    guest.call("mount_options", f"rw{options}", new, "/new")
    guest.shell("cp", "-a", "--sparse=auto", f"{_ROOT}/old/.", f"{_ROOT}/new/")
    guest.call("umount_all")
    return new


def _change_file(guest: Guest, step: RewriteFile | RepackKernel | WriteFile | Rename | MakeLink, scratch: Path) -> None:
    match step:
        case RewriteFile():
            _rewrite(guest, step.path, scratch, lambda content: content)
        case RepackKernel():
            _rewrite(guest, step.path, scratch, _repacked)
        case WriteFile():
            source = scratch / "written"
            source.write_bytes(step.content.encode("utf-8", "surrogateescape"))
            if not guest.call("is_file", step.path, followsymlinks=True):
                guest.call("mkdir_p", posixpath.dirname(step.path))
                guest.call("rm_f", step.path)
            guest.call("upload", str(source), step.path)
        case Rename():
            guest.call("mv", step.path, posixpath.join(posixpath.dirname(step.path), posixpath.basename(step.name)))
        case MakeLink():
            guest.call("ln_s", step.target, step.path)
        case _:
            assert_never(step)


def _repacked(content: bytes) -> bytes:
    try:
        return with_gzip_payload(content)
    except RepackError as error:
        raise BuildError(f"a kernel cannot be packed with gzip: {error}") from error


def _rewrite(guest: Guest, path: str, scratch: Path, change: Callable[[bytes], bytes]) -> None:
    """What a kernel is given to write it allocates, zeros too. The file stays the same: its inode, names, owner."""
    kept = scratch / "content"
    status = guest.call("statns", path)
    guest.call("download", path, str(kept))
    if kept.stat().st_size != status["st_size"]:
        raise BuildError(f"{path} has {status['st_size']} bytes, but {kept.stat().st_size} could be read")
    kept.write_bytes(change(kept.read_bytes()))
    guest.call("upload", str(kept), path)
    times = [status[key] for key in ("st_atime_sec", "st_atime_nsec", "st_mtime_sec", "st_mtime_nsec")]
    guest.call("utimens", path, *times)
    kept.unlink()


def _put_back(fresh: Path, copy: Path, place: Place) -> None:
    """The remade filesystem into its place in the copy, holes as holes."""
    span = ["--offset", str(place.offset_bytes), "--length", str(place.size_bytes)]
    command.run(["fallocate", "--punch-hole", *span, str(copy)], doing="making room for the filesystem")
    with fresh.open("rb") as source, copy.open("r+b") as target:
        for extent in data_extents(source.fileno(), end=place.size_bytes):
            position = place.offset_bytes + extent.start
            for content in read_extent(source.fileno(), extent, _COPY_BYTES):
                os.pwrite(target.fileno(), content, position)
                position += len(content)
    fresh.unlink()
