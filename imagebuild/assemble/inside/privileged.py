"""Device nodes, the extended attributes that only the machine's own root may set, and each filesystem's own root.

In the user namespace of an ordinary user Linux makes neither (mknod(2), xattr(7): the class trusted, and security but
for capabilities). They are left out of the unpacked tree, and put into the finished ext filesystem by debugfs, which
knows no privileges. As root, tar simply makes them. The root directory of a filesystem is made by mke2fs, which
(1.47.0) gives it no other mode and owner than its own.
"""

from __future__ import annotations

import base64
import errno
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from imagebuild.assemble.inside import debugfs
from imagebuild.assemble.inside.debugfs import belongs, decoded, quoted, within
from imagebuild.errors import BuildError
from imagebuild.plan.disk_vocabulary import MakeExt, PopulateStep
from imagebuild.plan.facts import Attribute, DeviceNode

# What Linux says of an attribute or a device node that it does not permit here.
REFUSED = (errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.EINVAL)
_FILE_TYPES = {"c": stat.S_IFCHR, "b": stat.S_IFBLK}


@dataclass(frozen=True, slots=True)
class Deferred:
    """What could not be made in the tree, and is to be put into the filesystems."""

    devices: tuple[DeviceNode, ...] = ()
    attributes: tuple[Attribute, ...] = ()


def defer(directory: Path, devices: tuple[DeviceNode, ...], attributes: tuple[Attribute, ...]) -> Deferred:
    """What of the tree's privileged things cannot be made below `directory`: found by trying."""
    devices_later = () if not devices or _can_make_devices(directory) else devices
    nodes = {device.path for device in devices_later}
    classes = {attribute.name.split(".")[0] for attribute in attributes}
    refused = {name for name in classes if not _can_set(directory, name)}
    return Deferred(
        devices_later,
        tuple(
            attribute for attribute in attributes if attribute.path in nodes or attribute.name.split(".")[0] in refused
        ),
    )


def _can_make_devices(directory: Path) -> bool:
    path = directory / "try-device"
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    except OSError as error:
        if error.errno in REFUSED:
            return False
        raise
    path.unlink()
    return True


def _can_set(directory: Path, name: str) -> bool:
    path = directory / "try-attribute"
    path.touch()
    try:
        os.setxattr(path, f"{name}.imagebuild", b"1")
    except OSError as error:
        if error.errno in REFUSED:
            return False
        raise
    finally:
        path.unlink()
    return True


def exclusions(devices: Iterable[DeviceNode]) -> list[str]:
    """tar's options to leave these members out, and no others."""
    names = [decoded(member) for device in devices for member in device.members]
    return ["--no-wildcards", "--anchored", *(f"--exclude={name}" for name in names)] if names else []


def check_deferred(step: PopulateStep, deferred: Deferred) -> None:
    """Raises BuildError for what an ordinary user cannot put into a filesystem that is not ext.

    Nodes in /dev are no loss: every kernel that boots here mounts its own /dev over it (devtmpfs).
    """
    names = [device.path for device in deferred.devices if not device.path.startswith("/dev/")]
    names += [attribute.path for attribute in deferred.attributes if not attribute.path.startswith("/dev/")]
    if lost := [name for name in names if belongs(step, name)]:
        raise BuildError(
            f"{step.mountpoint}: a device node or an attribute for root only cannot be made by an ordinary user in a "
            "filesystem that is not ext",
            details="\n".join(lost[:10]),
            resolution="build as root, use an ext filesystem there, or remove it from the tree",
        )


def put_into(step: MakeExt, directory: Path, deferred: Deferred, target: Path, scratch: Path, epoch: int) -> None:
    """Put into a finished filesystem, made from `directory`, what belongs there. Raises BuildError where that fails."""
    devices = [device for device in deferred.devices if belongs(step, device.path)]
    attributes = [attribute for attribute in deferred.attributes if belongs(step, attribute.path)]
    script = _root_directory(directory.stat())
    script += [line for device in devices for line in _make(step, device)]
    for number, attribute in enumerate(attributes):
        value = scratch / f"attribute-{number}"
        value.write_bytes(base64.b64decode(attribute.value))
        script.append(f"ea_set -f {value} {quoted(_inside(step, attribute.path))} {attribute.name}")
    if not script:
        return
    offset = step.region.offset_bytes if step.region else 0
    doing = f"putting device nodes and attributes into {step.mountpoint}"
    debugfs.change(target, offset, script, doing=doing, epoch=epoch)
    for number in range(len(attributes)):
        (scratch / f"attribute-{number}").unlink()


def _root_directory(status: os.stat_result) -> list[str]:
    if (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (0o755, 0, 0):
        return []
    fields = {"mode": f"0{status.st_mode:o}", "uid": status.st_uid, "gid": status.st_gid}
    return [f"set_inode_field / {field} {value}" for field, value in fields.items()]


def _make(step: MakeExt, device: DeviceNode) -> list[str]:
    directory, _, name = _inside(step, device.path).rpartition("/")
    node = quoted(name)
    fields = {
        "mode": f"0{_FILE_TYPES[device.kind] | device.mode:o}",
        "uid": device.uid, "gid": device.gid,
        "atime": f"@{device.mtime}", "ctime": f"@{device.mtime}", "mtime": f"@{device.mtime}",
    }  # fmt: skip
    return [
        f"cd {quoted(directory or '/')}",
        f"mknod {node} {device.kind} {device.major} {device.minor}",
        *(f"set_inode_field {node} {field} {value}" for field, value in fields.items()),
        "cd /",
    ]


def _inside(step: MakeExt, path: str) -> str:
    return within(step, decoded(path))
