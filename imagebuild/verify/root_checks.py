"""Checks of the kernel's command line: root-device, console."""

from __future__ import annotations

import re
from collections.abc import Iterator

from imagebuild.formats.device_name import DeviceName
from imagebuild.formats.root_argument import RootArgument
from imagebuild.formats.text import excerpt
from imagebuild.image.boot_files import FileAt
from imagebuild.image.device_names import NO_FILESYSTEM
from imagebuild.image.places import Place
from imagebuild.report import Outcome
from imagebuild.verify.kernel_checks import release_numbers
from imagebuild.verify.view import Finding, ReachedEntry, View, failed, passed, skipped, warned

_XEN_TREE = re.compile(r"xen|ec2")
_FIRST_XEN_IN_LINUX = (2, 6, 24)


def root_device(view: View) -> Iterator[Finding]:
    """Each entry's root= names a filesystem of the image, by a name that does not shift."""
    if not view.entries:
        yield skipped("there is no entry")
    for reached in view.entries:
        if not view.is_linux(reached):
            yield passed(f"{reached.shown}: the kernel is not Linux and needs no root=")
        else:
            yield _judge_root(view, reached)


def _judge_root(view: View, reached: ReachedEntry) -> Finding:
    argument = view.root_of(reached)
    if argument.device is None:
        return _judge_without_root(view, reached)
    shown = f"{reached.shown}: {argument.word}={excerpt(argument.device.written)}"
    if problem := _not_activated(view, reached, argument):
        return failed(f"{shown}: {problem}")
    if _is_another_drivers_name(view, reached, argument.device):
        return failed(
            f"{shown}: no disk of this kernel has such a name: Linux' own Xen driver calls the first one xvda"
        )
    return _judge_device(view, shown, argument.device)


def _is_another_drivers_name(view: View, reached: ReachedEntry, device: DeviceName) -> bool:
    """sda1 or hda1 for a kernel of Linux' own tree (xen-blkfront names all disks xvd; seen on the genuine loader). The
    kernels of Xen's own tree take the name from the guest's configuration: `-xen` and `-ec2`, before 2.6.24."""
    facts = view.kernel_of(reached.kernel) if isinstance(reached.kernel, FileAt) else None
    initrd = view.initrd_of(reached.initrd) if isinstance(reached.initrd, FileAt) else None
    if device.kind != "disk" or device.value not in ("sd", "hd") or facts is None or not facts.release:
        return False
    if _XEN_TREE.search(facts.release) or release_numbers(facts.release) < _FIRST_XEN_IN_LINUX:
        return False
    # Amazon's rule gives the disks links of the names in the configuration.
    return initrd is None or not any("ec2udev" in name for name in initrd.names)


def _judge_without_root(view: View, reached: ReachedEntry) -> Finding:
    """Linux panics without a root= (init/do_mounts.c), unless an initrd knows the root by itself."""
    known = view.root_in_initrd(reached)
    shown = f"{reached.shown}: the kernel line has no root="
    if known.device is not None:
        found = _judge_device(
            view, f"{shown}; its initrd's {known.place} says {excerpt(known.device.written)}", known.device
        )
        return warned(found.detail) if found.outcome is Outcome.PASSED else found
    if known.may_know:
        return warned(f"{shown}; its initrd's /init is a program of its own, which may know the root")
    if isinstance(reached.initrd, FileAt) and view.initrd_of(reached.initrd) is None:
        return warned(f"{shown}, and its initrd cannot be looked into")
    return failed(f"{shown}, and nothing in its initrd names a root")


def _judge_device(view: View, shown: str, device: DeviceName) -> Finding:
    found = view.resolve(device)
    if isinstance(found, Place):
        if found.type in NO_FILESYSTEM:
            return failed(f"{shown} is {found.name}, which is {found.type}")
        if device.kind == "disk":
            words = "device names shift (sda1, xvda1, xvde1): use UUID= or LABEL="
            return warned(f"{shown} is {found.name} ({found.type}): {words}")
        return passed(f"{shown} is {found.name} ({found.type})")
    if found.why == "unknown":
        return warned(f"{shown}: {found.words}")
    return failed(f"{shown}: {found.words}; there are {_known(view)}")


def _not_activated(view: View, reached: ReachedEntry, argument: RootArgument) -> str:
    """Why dracut leaves the root's volume inactive, or waits for another one (its module 90lvm); empty: it does not."""
    found = view.resolve(argument.device) if argument.device else None
    facts = view.initrd_of(reached.initrd) if isinstance(reached.initrd, FileAt) else None
    if facts is None or not any("lib/dracut/" in name for name in facts.names):
        return ""
    known = {"/".join(place.volume) for place in view.subject.places if place.volume}
    if absent := [name for name in argument.volumes if name not in known]:
        return f"rd.lvm.lv={excerpt(absent[0])}: no such logical volume, and dracut waits for it"
    if not isinstance(found, Place) or found.volume is None:
        return ""
    if not argument.has_lvm:
        return "rd.lvm=0: dracut activates no logical volume"
    group, volume = found.volume
    named = bool(argument.volumes or argument.groups)
    if named and f"{group}/{volume}" not in argument.volumes and group not in argument.groups:
        return f"dracut activates only what rd.lvm.lv= and rd.lvm.vg= name, and {group}/{volume} is not among them"
    return ""


def _known(view: View) -> str:
    names = [place.name for place in view.subject.places if place.volume]
    for place in view.subject.places:
        if place.contents and place.type not in NO_FILESYSTEM:
            names += [f"UUID={place.contents.uuid}"] if place.contents.uuid else []
            names += [f"LABEL={excerpt(place.contents.label)}"] if place.contents.label else []
    return ", ".join(names) or "no names at all"


def console(view: View) -> Iterator[Finding]:
    """The default entry sends the kernel's console to Xen's."""
    if not view.entries:
        yield skipped("there is no entry")
        return
    reached = view.entries[0]
    if not view.is_linux(reached):
        yield passed(f"{reached.shown}: the kernel is not Linux, and its console is Xen's")
        return
    consoles = [word for word in reached.entry.arguments.split() if word.startswith("console=")]
    if any(word.split(",")[0] == "console=hvc0" for word in consoles):
        yield passed(f"{reached.shown}: console=hvc0")
    else:
        found = ", ".join(map(excerpt, consoles)) or "no console="
        yield warned(f"{reached.shown}: {found}; without console=hvc0 GetConsoleOutput may stay empty")
