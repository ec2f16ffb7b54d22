"""What a name of a block device means, as `root=` and the first field of an fstab spell it.

Sources: Linux' block/early-lookup.c, before 6.5 init/do_mounts.c's name_to_dev_t (/dev/NAME, PARTUUID= with PARTNROFF,
PARTLABEL=, MAJOR:MINOR, hexadecimal numbers); udev's 60-persistent-storage.rules (the links under /dev/disk);
initramfs-tools' `resolve_device` and dracut's `label_uuid_to_dev` (UUID=, LABEL=); lvm(8) for device mapper's names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "uuid", "label", "partuuid", "partlabel", "volume", "disk", "hardware", "number", "ram", "network", "kernel",
    "path", "unknown",
]  # fmt: skip
# What a kernel finds by itself; everything else is a name that an initrd makes.
_WITHOUT_INITRD = ("partuuid", "partlabel", "disk", "number", "ram", "network")
_TAG = re.compile(r"(UUID|LABEL|PARTUUID|PARTLABEL|ID)=(.*)", re.S)
_LINK = re.compile(r"/dev/disk/by-(uuid|label|partuuid|partlabel|id|path|diskseq|loop-ref)/(.+)", re.S)
_OFFSET = re.compile(r"(?P<uuid>[^/]*)/PARTNROFF=(?P<offset>[-+]?[0-9]{1,9})")
_DISK = re.compile(
    r"/dev/(?:(?P<driver>(?:xv|s|h|v|ub)d)(?P<letters>[a-z]{1,3})(?P<number>[0-9]{0,9})"
    r"|(?P<numbered>nvme\d+n|mmcblk|loop|nbd)(?P<unit>[0-9]{1,9})(?:p(?P<part>[0-9]{1,9}))?)"
)
# Other drivers' folders look the same (cciss/c0d0p1, md/0).
_VOLUME = re.compile(r"/dev/(?!(?:block|bus|cciss|char|disk|ida|input|md|net|pts|rd|shm|snd)/)[^/]+/[^/]+")
_NUMBERS = re.compile(r"([0-9]{1,10}):([0-9]{1,10})(?::([0-9]{1,10}):?)?")
_HEXADECIMAL = re.compile(r"(?:0[xX])?[0-9a-fA-F]{1,16}")
_UDEV_ESCAPE = re.compile(r"\\x([0-9a-fA-F]{2})")
_NETWORK = re.compile(r"/dev/nfs$|/dev/cifs$|(?:nfs4?|cifs|iscsi|nbd|fcoe|live|dhcp6?|ssh|http|https|ftp)(?::|$)")
_XEN_PATH = re.compile(r"xen-vbd-(?P<vdevice>[0-9]{1,10})(?:-part(?P<number>[0-9]{1,9}))?$")
_XVD_MAJOR, _SD_MAJOR, _HD_MAJOR, _RAM_MAJOR = 202, 8, 3, 1


@dataclass(frozen=True, slots=True)
class DeviceName:
    """One name, taken apart. `written` is the name as it was found.

    `value` by `kind`: `uuid`, `label`, `partuuid`, `partlabel`: the tag's value, without quotes and udev's escapes;
    `volume`: the path of a logical volume (`/dev/GROUP/VOLUME` or `/dev/mapper/GROUP-VOLUME`); `disk`: the driver's
    letters (`xvd`, `sd`, `hd`, `vd`, `nvme0n` …); `hardware`: the link's name below /dev/disk/by-id or by-path;
    `number`: the number as written; `kernel`: /dev/root. `disk` counts the driver's disks from 0. `partition` counts
    from 1; None is the whole disk. `offset` is PARTNROFF, 0 where there is none.
    """

    written: str
    kind: Kind
    value: str
    disk: int = 0
    partition: int | None = None
    offset: int = 0

    @property
    def wants_initrd(self) -> bool:
        """Whether a kernel alone cannot find it."""
        return self.kind not in _WITHOUT_INITRD


def read_device_name(written: str) -> DeviceName:
    """What `written` means; total, `unknown` where no rule fits."""
    text = written.strip().replace('"', "") if "=" in written else written.strip()
    if match := _TAG.match(text):
        return _tag(written, match[1].lower(), match[2].strip("'"))
    if match := _LINK.fullmatch(text):
        return _link(written, match[1], _unescaped(match[2]))
    if _NETWORK.match(text) or re.match(r"\d+\.\d+\.\d+\.\d+:|\[[0-9a-fA-F:]+\]:", text):
        return DeviceName(written, "network", text)
    if text == "/dev/root":
        return DeviceName(written, "kernel", text)
    if re.fullmatch(r"/dev/ram\d*", text):
        return DeviceName(written, "ram", text)
    if match := _DISK.fullmatch(text):
        return _disk(written, match)
    if text.startswith("/dev/"):
        return DeviceName(written, "volume" if _VOLUME.fullmatch(text) else "path", text)
    return _number(written, text)


def _tag(written: str, kind: str, value: str) -> DeviceName:
    if kind == "id":
        return _hardware(written, value)
    if kind == "partuuid":
        match = _OFFSET.fullmatch(value)
        if match:
            return DeviceName(written, "partuuid", match["uuid"].lower(), offset=int(match["offset"]))
        return DeviceName(written, "partuuid", value.lower())
    if kind == "uuid":
        return DeviceName(written, "uuid", value.lower())
    return DeviceName(written, "label" if kind == "label" else "partlabel", value)


def _link(written: str, kind: str, value: str) -> DeviceName:
    if kind in ("uuid", "label", "partuuid", "partlabel"):
        return _tag(written, kind, value)
    return _hardware(written, value)


def _hardware(written: str, value: str) -> DeviceName:
    """by-id and by-path: of a volume device mapper's own name, of a Xen disk the number that its configuration says."""
    if value.startswith("dm-name-"):
        return DeviceName(written, "volume", f"/dev/mapper/{value.removeprefix('dm-name-')}")
    if match := _XEN_PATH.match(value):
        number = int(match["vdevice"])
        found = _xen_number(written, number)
        if found and match["number"]:
            found = DeviceName(written, "disk", found.value, found.disk, int(match["number"]))
        return found or DeviceName(written, "hardware", value)
    return DeviceName(written, "hardware", value)


def _xen_number(written: str, number: int) -> DeviceName | None:
    """A virtual block device's number is the device number that Linux had for such a name (Xen's vbd-interface(7))."""
    return _device(written, number >> 8, number & 0xFF)


def _disk(written: str, match: re.Match[str]) -> DeviceName:
    if match["driver"]:
        disk = 0
        for letter in match["letters"]:
            disk = disk * 26 + ord(letter) - ord("a") + 1
        return DeviceName(written, "disk", match["driver"], disk - 1, int(match["number"]) if match["number"] else None)
    part = int(match["part"]) if match["part"] else None
    return DeviceName(written, "disk", match["numbered"], int(match["unit"]), part)


def _number(written: str, text: str) -> DeviceName:
    """`sscanf("%u:%u")`, else `simple_strtoul(…, 16)` of the device number in its new encoding."""
    if match := _NUMBERS.fullmatch(text):
        major, minor = int(match[1]), int(match[2])
    elif _HEXADECIMAL.fullmatch(text):
        number = int(text, 16)
        major, minor = (number & 0xFFF00) >> 8, (number & 0xFF) | ((number >> 12) & 0xFFF00)
    else:
        return DeviceName(written, "path" if text.startswith("/") else "unknown", text)
    return _device(written, major, minor) or DeviceName(written, "number", text)


def _device(written: str, major: int, minor: int) -> DeviceName | None:
    """The disk and partition behind a device number; None where the driver gives numbers out as it likes."""
    if major == _RAM_MAJOR:
        return DeviceName(written, "ram", f"{major}:{minor}")
    each = {_XVD_MAJOR: ("xvd", 16), _SD_MAJOR: ("sd", 16), _HD_MAJOR: ("hd", 64)}
    if major not in each:
        return None
    driver, step = each[major]
    return DeviceName(written, "disk", driver, minor // step, minor % step or None)


def _unescaped(name: str) -> str:
    """udev writes what has no place in a file's name as \\xNN (its `encode_devnode_name`)."""
    raw = _UDEV_ESCAPE.sub(lambda match: chr(int(match[1], 16)), name)
    try:
        return raw.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return raw
