"""GRUB 0.97's device strings, and opening what they name.

Source: stage2/disk_io.c: set_device, sane_partition, real_open_partition, setup_part, grub_open.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from imagebuild.bootloaders.menus.facts import Files, Found, Missing
from imagebuild.bootloaders.menus.grub_legacy.device import HARD_DISK, INSANE, NO_SUB_PARTITION, WHOLE, Device
from imagebuild.bootloaders.menus.grub_legacy.dialect import Dialect
from imagebuild.bootloaders.menus.grub_legacy.errors import BuiltinError, CannotJudgeError
from imagebuild.bootloaders.menus.grub_legacy.lines import BadNumber, first_word, parse_number
from imagebuild.bootloaders.menus.trace import FileName

_MOST_PARTITION = 254
_MOST_DRIVES = 8
BAD_FILENAME, BAD_TABLE, BAD_DEVICE, INVALID_DEVICE = 1, 5, 11, 12
FILE_NOT_FOUND, CANNOT_MOUNT, NO_DISK, NO_PARTITION = 15, 17, 21, 22
_BLOCK_LIST = re.compile(r"\d+\+\d+(,\d+\+\d+)*(?=$|[/\s])")


@dataclass(frozen=True, slots=True)
class Opened:
    """A file that grub_open opened."""

    device: Device
    path: str
    size_bytes: int


def parse_device(text: str, saved: Device) -> tuple[Device, str]:
    """The device at the start of `text`, and what follows its `)`; `saved` is the root device. Raises BuiltinError.

    What is left out comes from the root device: `()` and `(,1)` are on its drive.
    """
    if text in ("(", "(f", "(h", "(fd", "(hd"):  # begun, as for a completion: the root's drive
        return Device(saved.drive), ""
    if not text.startswith("("):
        raise BuiltinError(BAD_DEVICE)
    drive, rest = _drive(text[1:], saved)
    if rest.startswith(")"):
        return _sane(Device(drive)), rest[1:]
    if not rest.startswith(","):
        _sane(Device(drive))
        raise BuiltinError(BAD_DEVICE)
    return _partition(rest[1:], drive, saved)


def _drive(text: str, saved: Device) -> tuple[int | None, str]:
    if text[:1] in ("", ",", ")"):
        return saved.drive, text
    bias = HARD_DISK if text[0] == "h" else 0
    wrong = False
    if text[0] in "fh":
        wrong, text = text[1:2] != "d", text[2:]
    found = parse_number(text)
    if isinstance(found, BadNumber):
        raise BuiltinError(found.error)
    if wrong:
        raise BuiltinError(23)
    return found[0] + bias, found[1]


def _partition(text: str, drive: int | None, saved: Device) -> tuple[Device, str]:
    number, sub = WHOLE, NO_SUB_PARTITION
    chosen = False
    if text[:1].isdigit() and text[:1].isascii():
        found = parse_number(text)
        if drive is None or not drive & HARD_DISK or isinstance(found, BadNumber) or found[0] > _MOST_PARTITION:
            raise BuiltinError(BAD_DEVICE)
        number, text = found
        text = text.removeprefix(",")
        chosen = True
    if "a" <= text[:1] <= "p":
        sub, text = ord(text[0]) - ord("a"), text[1:]
        chosen = True
    device = Device(drive, number, sub)
    if not text.startswith(")"):
        _sane(device)
        raise BuiltinError(BAD_DEVICE)
    if not chosen:  # `(hd0,)`: the root's partition
        device = Device(drive, saved.partition, saved.sub)
    return _sane(device), text[1:]


def _sane(device: Device) -> Device:
    if device.drive is None:
        return device
    if device.sub == INSANE:
        raise BuiltinError(INVALID_DEVICE)
    too_high = device.drive & ~HARD_DISK >= _MOST_DRIVES
    if too_high or (device.partition != WHOLE and not device.drive & HARD_DISK):
        raise BuiltinError(INVALID_DEVICE)
    return device


class Disks:
    """Opening partitions, filesystems and files, as the dialect does it. They raise BuiltinError, CannotJudgeError."""

    def __init__(self, files: Files, dialect: Dialect) -> None:
        self.files = files
        self.dialect = dialect

    def open_partition(self, device: Device) -> None:
        """real_open_partition: the disk is there, and so is the partition."""
        if _sane(device).drive is None:  # the network is nothing that has partitions
            return
        if not device.is_hard_disk or device.disk >= self.files.disks():
            raise BuiltinError(NO_DISK)
        if device.partition == WHOLE and device.sub == NO_SUB_PARTITION:
            return
        table = self.files.partitions(device.disk)
        if table is None:
            raise BuiltinError(BAD_TABLE)
        if device.sub != NO_SUB_PARTITION:
            raise CannotJudgeError(f"{device} names a BSD sub-partition")
        if device.partition not in table:
            raise BuiltinError(NO_PARTITION)

    def mounts(self, device: Device) -> bool:
        """attempt_mount. Raises BuiltinError where not even a sector can be read."""
        if device.drive is None:
            raise BuiltinError(NO_DISK)
        if device.partition == WHOLE and not self.dialect.whole_disks:
            return False
        found = self.files.mounts(device.disk, device.number)
        if found is None:
            raise CannotJudgeError(f"whether the filesystem on {device} is read")
        return found

    def open(self, name: str, saved: Device) -> Opened:
        """grub_open: `name` may begin with a device, and ends at white space."""
        device, path = parse_device(name, saved) if name.startswith("(") else (saved, name)
        path = first_word(path)
        if not path.startswith("/"):
            self.open_partition(device)
            if _BLOCK_LIST.match(path):
                raise CannotJudgeError(f"`{path}` is a list of blocks")
            raise BuiltinError(BAD_FILENAME)
        self.open_partition(device)
        if not self.mounts(device):
            raise BuiltinError(CANNOT_MOUNT)
        path = re.sub("/+", "/", path)
        found = self.files.find(device.disk, device.number, path)
        if found is None:
            raise CannotJudgeError(f"whether {device}{path} is there")
        if isinstance(found, Missing):
            raise BuiltinError(found.error)
        assert isinstance(found, Found)
        return Opened(device, path, found.size_bytes)

    def read(self, opened: Opened, most_bytes: int) -> bytes:
        content = self.files.read(opened.device.disk, opened.device.number, opened.path, most_bytes)
        if content is None:
            raise CannotJudgeError(f"what {opened.device}{opened.path} holds")
        return content


def file_name(name: str, saved: Device) -> FileName | None:
    """How a file was named, for people; None when its device is no device."""
    try:
        device, path = parse_device(name, saved) if name.startswith("(") else (saved, name)
    except BuiltinError:
        return None
    path = first_word(path)
    if device.drive is None:
        return FileName(None, None, path)
    base = f"hd{device.disk}" if device.is_hard_disk else f"fd{device.drive}"
    return FileName(base, device.number, path)
