"""Which place of an image a device's name means in the guest that the image starts.

The image is the guest's first disk: xvda, or xvde where the kernel leaves room for four emulated disks (RHEL 6); a
kernel of Xen's own tree calls it sda or hda when its configuration says so (Xen's vbd-interface(7)).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from imagebuild.formats.device_name import DeviceName
from imagebuild.image.places import Place, mapper_name

_OF_XEN = ("xvd", "sd", "hd")
_FIRST_DISKS = {"xvd": (0, 4), "sd": (0,), "hd": (0,)}
NO_FILESYSTEM = ("swap", "LVM2_member")


@dataclass(frozen=True, slots=True)
class NotThere:
    """Nothing in the image has the name. `why`: `absent` (nor can anything else have it), `other disk` (another disk
    of the guest may), `unknown` (nobody can tell from the image alone). `words` say it."""

    why: Literal["absent", "other disk", "unknown"]
    words: str


def resolve(name: DeviceName, places: Sequence[Place], *, partitioned: bool) -> Place | NotThere:
    """The place that `name` means. `partitioned`: the disk has a partition table."""
    match name.kind:
        case "uuid" | "label" | "partuuid" | "partlabel" if not name.value:
            return NotThere("absent", "an empty name, which matches nothing")
        case "uuid":
            return _first(places, lambda place: _tags(place)[0] == name.value, "nothing in the image matches it")
        case "label":
            return _first(places, lambda place: _tags(place)[1] == name.value, "nothing in the image matches it")
        case "partuuid":
            return _by_partuuid(name, places)
        case "partlabel":
            return _first(places, lambda place: place.partlabel == name.value, "no partition of the image has it")
        case "volume":
            return _first(places, lambda place: name.value in volume_names(place), "no such logical volume")
        case "disk":
            return _by_disk(name, places, partitioned=partitioned)
        case "hardware":
            return NotThere("absent", "a Xen disk has no such name (it has neither serial number nor bus)")
        case "ram":
            return NotThere("unknown", "a RAM disk, which the initrd fills")
        case "network":
            return NotThere("unknown", "not in the image but on the network")
        case "path" if name.value.startswith("/dev/"):
            return NotThere("absent", "no disk or volume of a Xen guest has such a name")
        case _:
            return NotThere("unknown", "not a name that can be looked up in the image")


def _tags(place: Place) -> tuple[str, str]:
    """UUID and label; those of a physical volume are LVM's own, and have no link."""
    if place.contents is None or place.type == "LVM2_member":
        return "", ""
    return place.contents.uuid.lower(), place.contents.label


def volume_names(place: Place) -> set[str]:
    return {place.name, mapper_name(*place.volume)} if place.volume else set()


def _first(places: Iterable[Place], is_meant: Callable[[Place], bool], words: str) -> Place | NotThere:
    return next((place for place in places if is_meant(place)), NotThere("absent", words))


def _by_partuuid(name: DeviceName, places: Sequence[Place]) -> Place | NotThere:
    found = _first(places, lambda place: place.partuuid == name.value, "no partition has it")
    if isinstance(found, NotThere) or name.offset == 0 or found.partition is None:
        return found
    number = found.partition + name.offset
    words = f"no partition is {name.offset} after that of PARTUUID={name.value}"
    return _first(places, lambda place: place.partition == number, words)


def _by_disk(name: DeviceName, places: Sequence[Place], *, partitioned: bool) -> Place | NotThere:
    if name.value not in _OF_XEN:
        return NotThere("absent", "no disk of a Xen PV guest has such a name (the first is xvda)")
    if name.disk not in _FIRST_DISKS[name.value]:
        return NotThere("other disk", "a disk beside the image, which is the first")
    if not partitioned:
        return next(place for place in places if not place.volume)
    if name.partition is None:
        return NotThere("absent", "the whole disk, which has a partition table and no filesystem of its own")
    number = name.partition - 1
    return _first(places, lambda place: place.partition == number, "there is no such partition")
