"""Checks of what comes after the loader: root-device, console, fstab."""

from __future__ import annotations

import re
from collections.abc import Iterator

from imagebuild.formats.text import excerpt
from imagebuild.image.places import Place
from imagebuild.image.readers import ReadError
from imagebuild.verify.view import Finding, ReachedEntry, View, failed, passed, skipped, warned

_TAGS = ("UUID=", "LABEL=", "PARTUUID=")
_SHIFTING = re.compile(r"^/dev/(sd|xvd|hd|vd|nvme)[a-z0-9]+$")
_NO_ROOT = ("swap", "LVM2_member")
_MOST_FSTAB_BYTES = 2**20


def root_device(view: View) -> Iterator[Finding]:
    """Each entry's root= names a filesystem of the image, by a name that does not shift."""
    if not view.entries:
        yield skipped("there is no entry")
    for reached in view.entries:
        yield _judge_root(view, reached)


def _judge_root(view: View, reached: ReachedEntry) -> Finding:
    device = view.argument(reached.entry, "root")
    if not device:
        return failed(f"{reached.shown}: the kernel line has no root=")
    shown = f"{reached.shown}: root={excerpt(device)}"
    if _SHIFTING.match(device):
        return warned(f"{shown}: device names shift (sda1, xvda1, xvde1): use UUID= or LABEL=")
    place = view.named(device)
    if place is not None:
        if place.type in _NO_ROOT:
            return failed(f"{shown} is {place.name}, which is {place.type}")
        return passed(f"{shown} is {place.name} ({place.type})")
    if device.startswith(_TAGS):
        return failed(f"{shown}: nothing in the image has it; there are {_known(view)}")
    if device.startswith("/dev/"):
        return failed(f"{shown}: no such logical volume; there are {_known(view)}")
    return warned(f"{shown}: not a name that can be looked up in the image")


def _known(view: View) -> str:
    names = [place.name for place in view.subject.places if place.volume]
    for place in view.subject.places:
        if place.contents and place.type not in _NO_ROOT:
            names += [f"UUID={place.contents.uuid}"] if place.contents.uuid else []
            names += [f"LABEL={excerpt(place.contents.label)}"] if place.contents.label else []
    return ", ".join(names) or "no names at all"


def console(view: View) -> Iterator[Finding]:
    """The default entry sends the kernel's console to Xen's."""
    if not view.entries:
        yield skipped("there is no entry")
        return
    reached = view.entries[0]
    consoles = [word for word in reached.entry.arguments.split() if word.startswith("console=")]
    if any(word.split(",")[0] == "console=hvc0" for word in consoles):
        yield passed(f"{reached.shown}: console=hvc0")
    else:
        found = ", ".join(map(excerpt, consoles)) or "no console="
        yield warned(f"{reached.shown}: {found}; without console=hvc0 GetConsoleOutput may stay empty")


def fstab(view: View) -> Iterator[Finding]:
    """Every filesystem that the root's fstab wants at boot is in the image."""
    root = view.root
    if root is None:
        yield skipped("the root filesystem is not known")
        return
    try:
        content = view.subject.read(root, "/etc/fstab", _MOST_FSTAB_BYTES)
    except ReadError as error:
        yield (warned if error.kind == "missing" else skipped)(f"{root.name}: {error}")
        return
    missing: list[str] = []
    cautions: list[str] = []
    count = 0
    for line in content.decode("utf-8", "replace").splitlines():
        fields = line.split()
        if len(fields) < 4 or fields[0].startswith("#"):
            continue
        count += 1
        problem = _judge_line(view, root, fields)
        if problem and {"nofail", "noauto"} & set(fields[3].split(",")):
            cautions.append(problem)
        elif problem:
            (cautions if _SHIFTING.match(fields[0]) else missing).append(problem)
    shown = f"{root.name}/etc/fstab"
    if missing:
        yield failed(f"{shown}: {'; '.join(missing)}: the boot ends in emergency mode")
    elif cautions:
        yield warned(f"{shown}: {'; '.join(cautions)}")
    else:
        yield passed(f"{shown}: {count} lines, every filesystem is in the image")


def _judge_line(view: View, root: Place, fields: list[str]) -> str:
    device, mount = excerpt(fields[0]), excerpt(fields[1])
    if _SHIFTING.match(fields[0]):
        return f"{device} for {mount}: device names shift, use UUID= or LABEL="
    volume = re.match(r"^/dev/(?!disk/)[^/]+/[^/]+$", fields[0]) is not None
    if not (fields[0].startswith(_TAGS) or volume):
        return ""
    place = view.named(fields[0])
    if place is None:
        return f"{device} for {mount} is nowhere in the image"
    if fields[1] == "/" and place != root:
        return f"{device} for / is {place.name}, but the kernel line's root is {root.name}"
    return ""
