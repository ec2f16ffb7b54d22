"""The check of /etc/fstab: what the boot requires is in the image, and what it only wants is named where it is not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from imagebuild.filesystems.table import KNOWN, known
from imagebuild.formats.device_name import read_device_name
from imagebuild.formats.fstab import FstabLine, FstabNeed, needs, read_fstab, simple_path
from imagebuild.formats.text import excerpt
from imagebuild.image.device_names import NotThere
from imagebuild.image.places import Place
from imagebuild.image.readers import Reader, ReadError
from imagebuild.image.root_tree import RootTree
from imagebuild.verify.view import Finding, View, failed, passed, skipped, warned

_MOST_FSTAB_BYTES = 2**20
_NEAR = "device names shift, use UUID= or LABEL="
_DISK_TYPES = (*KNOWN, "iso9660", "squashfs", "auto")
_SYSTEMD_LIBRARY = re.compile(r"libsystemd-shared-(\d{3})")
_SYSTEMD_FOLDERS = ("/usr/lib/systemd", "/lib/systemd", "/usr/lib/x86_64-linux-gnu/systemd", "/usr/lib64/systemd")
_USUAL_SYSTEMD = 252
_SYSTEMD = ("/usr/lib/systemd/systemd", "/lib/systemd/systemd")
_OLDER_INITS = ("/etc/inittab", "/sbin/mountall", "/etc/rc.d/rc.sysinit")


def fstab(view: View) -> Iterator[Finding]:
    """Every filesystem that the boot requires by the root's fstab is in the image; what it only wants is told."""
    root = view.root
    if root is None:
        yield skipped("the root filesystem is not known")
        return
    try:
        content = view.subject.read(root, "/etc/fstab", _MOST_FSTAB_BYTES)
    except ReadError as error:
        yield (warned if error.kind == "missing" else skipped)(f"{root.name}: {error}")
        return
    found = _needs(view, root, content.decode("utf-8", "surrogateescape"))
    yield _verdict(f"{root.name}/etc/fstab", [(need, _problem(view, root, need, found)) for need in found])


def _needs(view: View, root: Place, text: str) -> tuple[FstabNeed, ...]:
    """As systemd reads it, or an older init where the root has one."""
    version = systemd_version(view.subject.reader(root))
    found = needs(read_fstab(text), systemd=version or _USUAL_SYSTEMD)
    tree = RootTree(view.subject, root)
    if version is not None or any(map(tree.find, _SYSTEMD)) or not any(map(tree.find, _OLDER_INITS)):
        return found
    waits = tree.find("/sbin/mountall") is not None
    return tuple(_without_systemd(need, waits=waits) for need in found)


def _without_systemd(need: FstabNeed, *, waits: bool) -> FstabNeed:
    """SysV's init scripts end in a shell where `fsck -A` finds no device (fsck(8): what has a sixth field, and no
    `nofail`), and go on where only `mount -a` fails; Ubuntu's mountall waits (`waits`) for all but `nobootwait`
    (fstab(5) of Ubuntu 10.04 to 14.04)."""
    line = need.line
    if line.is_swap or need.need == "none" or line.has("nofail") or line.is_network:
        return need
    if line.has("nobootwait", "optional") or not (line.check_pass or waits):
        return replace(need, need="wanted", why="this init continues without it")
    return replace(need, need="required", why="this init checks it first")


def _verdict(shown: str, judged: list[tuple[FstabNeed, tuple[bool, str]]]) -> Finding:
    missing = [words for need, (is_bad, words) in judged if words and is_bad and need.need == "required"]
    cautions = [
        f"{words} ({need.why})" if is_bad and need.need == "wanted" else words
        for need, (is_bad, words) in judged
        if words and words not in missing
    ]
    if missing:
        return failed(f"{shown}: {'; '.join(missing)}: the boot ends in emergency mode")
    if cautions:
        return warned(f"{shown}: {'; '.join(cautions)}")
    return passed(f"{shown}: {len(judged)} lines, every filesystem is in the image")


def _problem(view: View, root: Place, need: FstabNeed, found: tuple[FstabNeed, ...]) -> tuple[bool, str]:
    """Whether the line's source is missing for certain, and what there is to say; empty words: nothing."""
    line = need.line
    if need.need == "none":
        return False, excerpt(f"line {line.number}: {need.why}") if "crash" in need.why else ""
    name = read_device_name(line.source)
    if name.kind in ("kernel", "network", "ram", "unknown", "number"):
        return False, ""
    if name.kind == "path" and not line.source.startswith("/dev/"):
        return _file_problem(view, root, line, found)
    shown = f"{excerpt(line.source)} for {excerpt(line.mountpoint if not line.is_swap else 'swap')}"
    place = view.resolve(name)
    if isinstance(place, NotThere):
        return place.why == "absent", f"{shown} is not in the image: {place.words}"
    if simple_path(line.mountpoint) == "/" and not line.is_swap:
        return _root_problem(place, root, shown, is_shifting=name.kind == "disk")
    if line.type not in ("auto", "") and not _may_be_mounted(place, line.type):
        return True, f"{shown} is {place.name}, which is {place.type} and not {excerpt(line.type)}"
    return False, f"{shown}: {_NEAR}" if name.kind == "disk" else ""


def _may_be_mounted(place: Place, kind: str) -> bool:
    """Whether the place can be mounted as a filesystem of that type; nobody knows where nothing was recognised."""
    filesystem = known(place.type)
    return place.contents is None if filesystem is None else kind in (filesystem.mounted_as or (filesystem.name,))


def _root_problem(place: Place, root: Place, shown: str, *, is_shifting: bool) -> tuple[bool, str]:
    if place != root:
        return False, f"{shown} is {place.name}, but the kernel line's root is {root.name}"
    return False, f"{shown}: {_NEAR}" if is_shifting else ""


def _file_problem(view: View, root: Place, line: FstabLine, found: tuple[FstabNeed, ...]) -> tuple[bool, str]:
    """A swap file or an image file of the root. systemd makes a bind mount's source when it is not there."""
    path = simple_path(line.source)
    if line.is_bind or line.source.startswith("//") or line.type not in _DISK_TYPES:
        return False, ""
    mounts = (simple_path(need.line.mountpoint) for need in found if not need.line.is_swap)
    if any(path.startswith(f"{place.rstrip('/')}/") for place in mounts if place != "/"):
        return False, ""
    reader = view.subject.reader(root)
    folder, _, name = path.rpartition("/")
    if reader is None or name in reader.names(folder or "/"):
        return False, ""
    place = "swap" if line.is_swap else line.mountpoint
    return True, f"{excerpt(path)} for {excerpt(place)} is not in the image: there is no such file"


def systemd_version(reader: Reader | None) -> int | None:
    """The version of the systemd in a root, by its library's name; None where there is none."""
    for folder in _SYSTEMD_FOLDERS if reader else ():
        assert reader is not None
        for name in reader.names(folder):
            if match := _SYSTEMD_LIBRARY.match(name):
                return int(match[1])
    return None
