"""/etc/fstab as it is read at boot: its lines, and which of them systemd requires, only wants, or leaves alone.

Lines: glibc's misc/mntent_r.c (getmntent), which systemd, mount and fsck use or imitate: fields end at a space or a
tab, the third to the sixth may be missing, `#` begins a comment only at a line's front, \\040 \\011 \\012 \\134 are
characters.
Needs: systemd's src/fstab-generator/fstab-generator.c and src/shared/{fstab-util,generator,mount-setup}.c, 252 and 257;
tests/integration/verify/test_fstab_generator.py holds this module against the generator itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

Need = Literal["required", "wanted", "none"]
# getmntent's buffer: what is behind it is forgotten.
_MOST_LINE_BYTES = 4095
_ESCAPE = re.compile(r"\\(?:040|011|012|134|\\)")
_ESCAPED = {"\\040": " ", "\\011": "\t", "\\012": "\n", "\\134": "\\", "\\\\": "\\"}
_FIELD = re.compile(r"[^ \t]*[ \t]*")
_NUMBERS = re.compile(r"\s*([-+]?[0-9]+)(?:\s+([-+]?[0-9]{1,20}))?")
_OPTION = re.compile(r"((?:[^,\\]|\\.?)*)(?:,|$)", re.S)
_NETWORK_TYPES = frozenset((
    "afs", "ceph", "cifs", "smb3", "smbfs", "sshfs", "ncpfs", "ncp", "nfs", "nfs4", "gfs", "gfs2", "glusterfs", "pvfs2",
    "ocfs2", "lustre", "davfs",
))  # fmt: skip
# mount_table, mount_point_ignore: mounted by systemd itself, or not its affair.
_API_MOUNTPOINTS = frozenset((
    "/proc", "/sys", "/dev", "/sys/kernel/security", "/sys/fs/smackfs", "/dev/shm", "/dev/pts", "/run",
    "/sys/fs/cgroup", "/sys/fs/pstore", "/sys/firmware/efi/efivars", "/sys/fs/bpf", "/sys/fs/selinux",
    "/dev/console", "/proc/kmsg", "/proc/sys", "/proc/sys/kernel/random/boot_id",
))  # fmt: skip
# Mounted by Debian 12's systemd itself (252, by a patch of Debian's), by Debian 13's (257) no more; both were tried.
_RUN_LOCK, _RUN_LOCK_NO_MORE = "/run/lock", 257
_API_FOLDERS = ("/sys/fs/cgroup/", "/run/host/")
# What fails with one of these ends in emergency mode (systemd.special(7); their OnFailure=).
_CRITICAL_TARGETS = ("local-fs.target", "sysinit.target", "basic.target")
# systemd's versions that were the first to do so; 252 and 257 were read, those between them only for this.
_MANDATORY_USR, _REMOTE_SWAP, _WANTED_BY_WITH_AUTOMOUNT = 254, 254, 256


_CRASH = "a timeout of systemd's without a value crashes its generator"


@dataclass(frozen=True, slots=True)
class FstabLine:
    """One line, its octal escapes resolved; missing fields are empty or 0. `number` counts the file's lines from 1."""

    number: int
    source: str
    mountpoint: str
    type: str
    options: str
    check_pass: int = 0

    def has(self, *names: str) -> bool:
        """Whether one of these options is set, with or without a value (fstab_test_option)."""
        return any(word.partition("=")[0] in names or word in names for word in self.words)

    def value(self, name: str) -> str | None:
        """The last value of `name=`."""
        return (self.values(name) or (None,))[-1]

    def values(self, name: str) -> tuple[str, ...]:
        return tuple(word.partition("=")[2] for word in self.words if word.startswith(f"{name}="))

    def is_on(self, yes: str, no: str) -> bool:
        """Of two opposite options the last one counts (fstab_test_yes_no_option)."""
        found = [word.partition("=")[0] for word in self.words if word.partition("=")[0] in (yes, no)]
        return found[-1:] == [yes]

    @property
    def words(self) -> tuple[str, ...]:
        """The options; a comma behind a backslash belongs to its word."""
        found = [match[1].replace("\\,", ",").replace("\\\\", "\\") for match in _OPTION.finditer(self.options)]
        return tuple(word for word in found if word)

    @property
    def is_swap(self) -> bool:
        return self.type == "swap"

    @property
    def is_network(self) -> bool:
        return self.has("_netdev") or self.type.removeprefix("fuse.") in _NETWORK_TYPES

    @property
    def is_bind(self) -> bool:
        return self.has("bind", "rbind") or self.type in ("bind", "rbind")


@dataclass(frozen=True, slots=True)
class Dependency:
    """A unit that a target pulls in: `target` as `local-fs.target`, `unit` the unit's type (mount, automount, swap)."""

    target: str
    kind: Literal["requires", "wants"]
    unit: Literal["mount", "automount", "swap"]


@dataclass(frozen=True, slots=True)
class FstabNeed:
    """What a line means for the boot. `required`: the boot ends in emergency mode without its source; `wanted`: it
    goes on without it, `why` in words; `none`: nobody asks for it at boot. `name`: the unit's path, without its front
    slash; empty where there is no unit."""

    line: FstabLine
    need: Need
    why: str
    name: str = ""
    dependencies: tuple[Dependency, ...] = ()


def read_fstab(text: str) -> tuple[FstabLine, ...]:
    """The lines of an fstab; total. `text` may hold surrogates for bytes that are not UTF-8."""
    return tuple(_lines(text))


def _lines(text: str) -> Iterator[FstabLine]:
    for number, line in enumerate(text.split("\n"), 1):
        raw = line.encode("utf-8", "surrogateescape")[:_MOST_LINE_BYTES]
        rest = raw.decode("utf-8", "surrogateescape").lstrip(" \t")
        if not rest or rest.startswith("#"):
            continue
        fields = []
        for _field in range(4):
            match = _FIELD.match(rest)
            assert match is not None
            fields.append(_decoded(match[0].rstrip(" \t")))
            rest = rest[match.end() :]
        numbers = _NUMBERS.match(rest)
        check_pass = int(numbers[2]) if numbers and numbers[2] else 0
        yield FstabLine(number, fields[0], fields[1], fields[2], fields[3], check_pass)


def _decoded(field: str) -> str:
    return _ESCAPE.sub(lambda match: _ESCAPED[match[0]], field)


def simple_path(path: str) -> str:
    """An absolute path without doubled slashes, `.` and a slash at its end (path_simplify)."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    return "/" + "/".join(parts)


def needs(lines: Iterable[FstabLine], *, systemd: int = 252) -> tuple[FstabNeed, ...]:
    """What each line means for the boot of a systemd of that version, in order."""
    units: dict[str, int] = {}
    found = []
    end = 0
    for line in lines:
        if end:
            found.append(FstabNeed(line, "none", f"systemd's generator crashes at line {end} and reads no further"))
            continue
        found.append(_need(line, units, systemd))
        end = line.number if found[-1].why == _CRASH else 0
    return tuple(found)


def _need(line: FstabLine, units: dict[str, int], systemd: int) -> FstabNeed:
    """`units`: the units there are so far, with the line that made each; the first line for a mountpoint wins."""
    if line.is_swap:
        name, suffix = _unit_name(udev_path(line.source)), "swap"
    elif reason := _ignored(line, systemd):
        return FstabNeed(line, "none", reason)
    else:
        name, suffix = _unit_name(line.mountpoint), "mount"
    if name is None:
        return FstabNeed(line, "none", "its path holds `..`")
    unit = f"{name}.{suffix}"
    if unit in units:
        return FstabNeed(
            line, "none", f"line {units[unit]} is treated as the same {'swap' if line.is_swap else 'place'}"
        )
    units[unit] = line.number
    if reason := _given_up(line, units, systemd):
        return FstabNeed(line, "none", reason)
    links = _swap_links(line, systemd) if line.is_swap else _mount_links(line, systemd)
    need, why = _judged(line, links)
    return FstabNeed(line, need, why, name, links)


def _ignored(line: FstabLine, systemd: int) -> str:
    if line.type == "autofs":
        return "autofs is the automounter's"
    if "/" not in line.mountpoint:
        return "its second field is no path"
    place = simple_path(line.mountpoint)
    is_lock = place == _RUN_LOCK and systemd < _RUN_LOCK_NO_MORE
    if is_lock or place in _API_MOUNTPOINTS or f"{place}/".startswith(_API_FOLDERS):
        return "systemd mounts that itself"
    return ""


def _unit_name(path: str) -> str | None:
    """What tells units apart: the path that their names are made of (unit_name_from_path); None for one with `..`."""
    return None if ".." in path.split("/") else simple_path(path)[1:] or "-"


def udev_path(source: str) -> str:
    """The path that a tag means (fstab_node_to_udev_node); what is none stays as it is."""
    for tag in ("LABEL", "UUID", "PARTUUID", "PARTLABEL"):
        if source.startswith(f"{tag}="):
            value = source[len(tag) + 1 :]
            if len(value) >= 2 and value[0] in "\"'" and value[0] == value[-1]:
                value = value[1:-1]
            return f"/dev/disk/by-{tag.lower()}/{_udev_encoded(value)}"
    return source


def _udev_encoded(value: str) -> str:
    """encode_devnode_name: ASCII letters, digits and #+-.:=@_ stay, whole UTF-8 sequences, too; the rest is \\xNN."""
    kept = re.compile(r"[0-9A-Za-z#+\-.:=@_]|[^\x00-\x7f\udc80-\udcff]")
    raw = (char if kept.fullmatch(char) else _escaped(char) for char in value)
    return "".join(raw)


def _escaped(char: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))


def _given_up(line: FstabLine, units: dict[str, int], systemd: int) -> str:
    """Why the generator gives a line up after it has begun with its unit, in its order; empty: it does not."""
    source = udev_path(line.source)
    if ".." in source.split("/") and _is_device(source) and (source.startswith("/dev/") or line.check_pass):
        return "its source holds `..`"
    names = ("x-systemd.after", "x-systemd.requires", "x-systemd.before")
    if not line.is_swap and any("" in line.values(name) for name in names):
        return "an option of systemd's names no unit"
    if _has_no_value(line, "x-systemd.device-timeout", "comment=systemd.device-timeout"):
        return _CRASH
    if not line.is_swap and _has_no_value(line, "x-systemd.mount-timeout"):
        return _CRASH
    if line.has("x-systemd.makefs") and (reason := _not_made(line, source, units)):
        return reason
    is_automount = not line.is_swap and _is_automount(line, systemd)
    return _CRASH if is_automount and _has_no_value(line, "x-systemd.idle-timeout") else ""


def _is_device(source: str) -> bool:
    """is_device_path"""
    return source.startswith("/") and simple_path(source).startswith(("/dev/", "/sys/"))


def _has_no_value(line: FstabLine, *names: str) -> bool:
    """Whether the last of these options lacks its value, which ends the generator by an assertion (parse_sec_fix_0)."""
    found = [word for word in line.words if any(word == name or word.startswith(f"{name}=") for name in names)]
    return found[-1:] != [] and found[-1] in names


def _not_made(line: FstabLine, source: str, units: dict[str, int]) -> str:
    if not _is_device(source):
        return "x-systemd.makefs wants a device"
    if line.type == "auto":
        return "x-systemd.makefs wants a type"
    if units.setdefault(f"makefs {line.is_swap} {simple_path(source)}", line.number) != line.number:
        return "x-systemd.makefs of the same device twice"
    return ""


def _is_mandatory(line: FstabLine, systemd: int) -> bool:
    place = simple_path(line.mountpoint)
    return place == "/" or (place == "/usr" and systemd >= _MANDATORY_USR)


def _is_automount(line: FstabLine, systemd: int) -> bool:
    is_asked = line.has("x-systemd.automount") or "comment=systemd.automount" in line.words
    return is_asked and not _is_mandatory(line, systemd)


def _swap_links(line: FstabLine, systemd: int) -> tuple[Dependency, ...]:
    if line.is_on("noauto", "auto"):
        return ()
    target = "remote-fs.target" if line.has("_netdev") and systemd >= _REMOTE_SWAP else "swap.target"
    return (Dependency(target, "wants" if line.is_on("nofail", "fail") else "requires", "swap"),)


def _mount_links(line: FstabLine, systemd: int) -> tuple[Dependency, ...]:
    is_mandatory = _is_mandatory(line, systemd)
    is_off = line.is_on("noauto", "auto") and not is_mandatory
    may_fail = line.is_on("nofail", "fail") and not is_mandatory
    unit: Literal["mount", "automount"] = "automount" if _is_automount(line, systemd) else "mount"
    if line.type in ("nfs", "nfs4") and unit == "mount" and line.is_on("bg", "fg"):
        may_fail = True
    asked = () if is_mandatory else _asked(line, unit)
    if asked and (unit == "mount" or systemd >= _WANTED_BY_WITH_AUTOMOUNT):
        return asked
    if is_off and unit == "mount":
        return ()
    target = "remote-fs.target" if line.is_network else "local-fs.target"
    return (Dependency(target, "wants" if may_fail else "requires", unit),)


def _asked(line: FstabLine, unit: Literal["mount", "automount"]) -> tuple[Dependency, ...]:
    wants = [Dependency(name, "wants", unit) for name in line.values("x-systemd.wanted-by")]
    return (*wants, *(Dependency(name, "requires", unit) for name in line.values("x-systemd.required-by")))


def _judged(line: FstabLine, links: tuple[Dependency, ...]) -> tuple[Need, str]:
    place = simple_path(line.mountpoint)
    if line.is_swap:
        return ("wanted", "swap: the boot waits 90 s for it and goes on") if links else ("none", "noauto")
    if place == "/":
        return "wanted", "the root is mounted already; it stays as the kernel's command line had it mounted"
    if place == "/usr":
        return "required", "the initrd mounts /usr before it starts init"
    if not links:
        return "none", "noauto"
    if any(link.unit == "automount" for link in links):
        return "wanted", "mounted when it is first used"
    if any(link.kind == "requires" and link.target in _CRITICAL_TARGETS for link in links):
        return "required", "local-fs.target requires it"
    return "wanted", "nofail" if not line.is_network else "a network filesystem"
