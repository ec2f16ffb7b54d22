"""The tree inside an existing disk image ("rebundling"), read by a kernel in the appliance, read-only.

The root filesystem is looked for, everything else is mounted as its own fstab says, and tar in the appliance writes all
of it onto a second disk, which is a file of the cache: many times faster than through libguestfs' own channel.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagebuild.errors import BuildError, HostError
from imagebuild.events import Progress
from imagebuild.filesystems.table import KNOWN, known
from imagebuild.formats.foreign import ForeignError, json_value, whole
from imagebuild.formats.text import escaped, excerpt
from imagebuild.host import command
from imagebuild.host.guest import FILESYSTEMS, Drive, Guest, appliance
from imagebuild.host.mountable import remedy
from imagebuild.host.sparse import data_extents
from imagebuild.image.raw_view import format_of
from imagebuild.limits import IMAGE
from imagebuild.plan.steps import TakeImage
from imagebuild.rootfs.guest_fstab import GuestDisk, Mount, mounts_of, swap_files
from imagebuild.vocabulary import Accelerator

_FORMATS = ("raw", "qcow2", "vmdk")
_CONVERT = "convert it into one file first: qemu-img convert -O qcow2 OLD NEW"
_NO_TREE = ("swap", "unknown", "crypto_LUKS", "LVM2_member", "linux_raid_member")
_RELEASES = ("/etc/fstab", "/etc/os-release", "/usr/lib/os-release", "/etc/redhat-release", "/etc/debian_version",
             "/etc/SuSE-release")  # fmt: skip
# It reads headers; a file that makes it read more is none of an honest maker.
_LOOK_TIMEOUT_SECONDS = 60
_KILLED = -9
_MOST_FSTAB_BYTES = 2**20
# What a running system puts there is not the tree's.
_EMPTIED = ("proc", "sys", "run", "tmp", "var/tmp", "dev/shm", "dev/pts")
_ARCHIVE = "archive"
_ROOM_BYTES = 2**30
_TAR_RECORD_BYTES = 10240


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image that holds all of itself. `format` is qemu-img's name."""

    path: Path
    format: Any
    size_bytes: int


def examine(path: Path) -> ImageFile:
    """What kind of image the file is. Raises BuildError for one that needs other files, or another format."""
    command.require("qemu-img", "qemu-utils")
    found = _format(path)
    argv = ["qemu-img", "info", "--force-share", "--output=json", "-f", found, str(path)]
    finished = command.attempt(argv, timeout_seconds=_LOOK_TIMEOUT_SECONDS)
    if finished.exit_code == _KILLED:
        raise BuildError(
            f"rootfs.image: qemu-img did not tell within {_LOOK_TIMEOUT_SECONDS} s what {escaped(path.name)} is",
            resolution="build again when the disk that it lies on is less busy; is it an image at all?",
        )
    try:
        info = json_value(finished.output) if finished.exit_code == 0 else {}
        size_bytes = whole(info["virtual-size"], most=IMAGE.most)
    except (ForeignError, KeyError, TypeError) as error:
        raise BuildError(
            f"rootfs.image: {escaped(path.name)} is not a readable image", details=finished.tail() or str(error)
        ) from None
    if others := _other_files(info, path):
        # A file that an image names could be any file of this machine, and the cache's key would not know its content.
        names = excerpt(", ".join(others))
        raise BuildError(f"rootfs.image: {escaped(path.name)} is only a part: it needs {names}", resolution=_CONVERT)
    return ImageFile(path, found, size_bytes)


def _format(path: Path) -> str:
    """qemu-img's name for the format; looked at here first, because qemu-img opens whatever an image names."""
    try:
        found = format_of(path)
    except OSError as error:
        raise BuildError(f"rootfs.image: {escaped(str(path))} cannot be read: {error.strerror}") from error
    if found.refused:
        raise BuildError(f"rootfs.image: {escaped(path.name)} is {found.refused}", resolution=_CONVERT)
    if found.driver not in _FORMATS:
        raise BuildError(
            f"rootfs.image: {escaped(path.name)} is {found.shown}; {', '.join(_FORMATS)} are read", resolution=_CONVERT
        )
    return found.driver


def _other_files(info: dict[str, Any], path: Path) -> list[str]:
    data = info.get("format-specific", {}).get("data", {})
    extents = [extent["filename"] for extent in data.get("extents", ()) if Path(extent["filename"]) != path]
    named = (info.get("backing-filename"), data.get("data-file"), *extents)
    return [str(name) for name in named if name]


def take_tree(step: TakeImage, image: ImageFile, archive: Path, acceleration: Accelerator, progress: Progress) -> None:
    """Write the image's tree into the tar file `archive`. Raises BuildError when no root is found, or several are.

    Raises HostError when this machine's appliance cannot mount what the image has.
    """
    with archive.open("wb") as file:
        file.truncate(2 * image.size_bytes + _ROOM_BYTES)
    drives = [Drive(image.path, readonly=True, format=image.format), Drive(archive, name=_ARCHIVE)]
    with appliance(drives, acceleration=acceleration, log=progress.log) as guest:
        filesystems = dict(guest.call("list_filesystems"))
        filesystems.pop("/dev/sdb", None)  # the archive to be
        root = _find_root(guest, step, filesystems, progress)
        _check_mountable(guest, [filesystems.get(root, "")])
        guest.call("mount_options", _options(filesystems.get(root, "")), root, "/")
        fstab = _fstab(guest)
        disk = GuestDisk.ask(guest, filesystems, root, fstab)
        mounted = _mount_others(guest, disk, mounts_of(fstab), progress)
        _pack(guest, ["/", *mounted], swap_files(fstab))
        guest.call("umount_all")
    _cut(archive)


def _find_root(guest: Guest, step: TakeImage, filesystems: dict[str, str], progress: Progress) -> str:
    if step.root is not None:
        if step.root not in filesystems:
            raise BuildError(
                f"rootfs.image.root: {step.path} has no filesystem {step.root}", resolution=_listed(filesystems)
            )
        return step.root
    candidates = [device for device, kind in filesystems.items() if kind not in _NO_TREE and _is_root(guest, device)]
    # The subvolume that is mounted when none is named comes before all others (snapshots among them).
    subvolumes = tuple(item.subvolume_prefix for item in KNOWN.values() if item.subvolume_prefix)
    plain = [device for device in candidates if not device.startswith(subvolumes)]
    if len(plain or candidates) == 1:
        [root] = plain or candidates
        progress.log(f"the root filesystem is {root}")
        return root
    if candidates:
        raise BuildError(
            f"rootfs.image: several filesystems of {step.path} look like a root: {', '.join(plain or candidates)}",
            resolution="name one in the recipe: image: {path: …, root: /dev/…}",
        )
    _check_mountable(guest, filesystems.values())
    encrypted = "crypto_LUKS" in filesystems.values()
    raise BuildError(
        f"rootfs.image: no filesystem of {step.path} holds a root (/etc with fstab or a release file)"
        + ("; some are encrypted" if encrypted else ""),
        resolution=_listed(filesystems),
    )


def _check_mountable(guest: Guest, kinds: Iterable[str]) -> None:
    """Raises HostError for a filesystem that this machine's appliance lacks: that is no fault of the image."""
    lacking = sorted({k for k in kinds if k in FILESYSTEMS and not guest.call("filesystem_available", k)})
    if lacking:
        raise HostError(
            f"rootfs.image: this machine cannot read {' and '.join(lacking)}: libguestfs' appliance does not mount it",
            resolution=remedy(lacking),
        )


def _listed(filesystems: dict[str, str]) -> str:
    found = ", ".join(f"{device} ({kind})" for device, kind in filesystems.items()) or "none"
    return f"filesystems found: {found}"


def _is_root(guest: Guest, device: str) -> bool:
    try:
        guest.call("mount_ro", device, "/")
    except BuildError:
        return False
    try:
        return bool(guest.call("is_dir", "/etc")) and any(guest.call("exists", path) for path in _RELEASES)
    finally:
        guest.call("umount_all")


def _options(kind: str) -> str:
    filesystem = known(kind)
    return ",".join(filter(None, ("ro", filesystem.show_all if filesystem else "")))


def _fstab(guest: Guest) -> str:
    if not guest.call("is_file", "/etc/fstab", followsymlinks=True):
        return ""
    if guest.call("filesize", "/etc/fstab") > _MOST_FSTAB_BYTES:
        raise BuildError("rootfs.image: the image's /etc/fstab is larger than 1 MiB")
    content: bytes = guest.call("read_file", "/etc/fstab")
    return content.decode("utf-8", "replace")


def _mount_others(guest: Guest, disk: GuestDisk, mounts: tuple[Mount, ...], progress: Progress) -> list[str]:
    """What the image's fstab mounts beside the root; what is not in the image must not be a part of the system."""
    mounted = []
    for mount in mounts:
        device = disk.device(mount.device)
        if device is None:
            if mount.is_of_the_system():
                raise BuildError(
                    f"rootfs.image: {mount.path} of the image's fstab is {mount.device}, which is not in the image",
                    resolution="use an image that contains the whole system",
                )
            progress.note(f"{mount.path} is left out: {mount.device} of the image's fstab is not in the image")
            continue
        _check_mountable(guest, [disk.filesystems.get(device, "")])
        options = [
            _options(disk.filesystems.get(device, "")),
            *([f"subvol={mount.subvolume}"] if mount.subvolume else []),
        ]
        guest.call("mount_options", ",".join(options), device, mount.path)
        mounted.append(mount.path)
    return mounted


def _pack(guest: Guest, mounted: list[str], left_out: tuple[str, ...]) -> None:
    excluded = [f"./{directory}/*" for directory in _EMPTIED]
    excluded += [f".{path.rstrip('/')}/lost+found" for path in mounted] + [f".{path}" for path in left_out]
    argv = [
        "tar",
        "--create",
        f"--file={guest.device(_ARCHIVE)}",
        "--directory=/sysroot",
        "--format=posix",
        "--sort=name",
    ]
    argv += ["--pax-option=delete=atime,delete=ctime", "--numeric-owner", "--xattrs", "--xattrs-include=*", "--acls"]
    argv += ["--sparse", "--anchored", *(f"--exclude={name}" for name in excluded), "."]
    guest.shell(*argv)


def _cut(archive: Path) -> None:
    """Cut the file behind the last byte that was written: it was as large as a disk has to be."""
    with archive.open("r+b") as file:
        end = max((extent.end for extent in data_extents(file.fileno())), default=0)
        file.truncate(-(-end // _TAR_RECORD_BYTES) * _TAR_RECORD_BYTES)
