"""What a root tree tells the planner, read from its archive in one pass: kernels, initrds, tools, sizes."""

from __future__ import annotations

import base64
import re
import tarfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import quote_from_bytes

from imagebuild.families.table import RELEASE_FILES, TOOLS, family_name
from imagebuild.formats.foreign import number_or_none
from imagebuild.formats.text import escaped
from imagebuild.plan.facts import Account, Attribute, DeviceNode, Group, Noted, TreeFacts, Usage
from imagebuild.plan.tidy import WATCHED
from imagebuild.plan.tools import TOOL_PATHS
from imagebuild.rootfs import archive
from imagebuild.rootfs.archive import Members
from imagebuild.rootfs.kernels import KernelsFound
from imagebuild.rootfs.packages import DPKG_STATUS
from imagebuild.rootfs.rpm_database import OLDER, SQLITE, RpmPackages, rpm_packages
from imagebuild.rootfs.tree_names import TreeNames

_XATTR = "SCHILY.xattr."
_WATCHED = frozenset((*WATCHED, *TOOL_PATHS))
_KEYS = re.compile(r"(root|home/[^/]+)/\.ssh/authorized_keys2?")
_MOST_HOSTS = 2**20
_BLOCK = 4096
_DEPTH = 3
_MOST_TEXT_BYTES = 64 * 2**20
_MOST_ID = 2**32 - 1  # uid_t and gid_t


@dataclass(slots=True)
class _Found:
    """Gathered while the archive passes by."""

    kernels: KernelsFound = field(default_factory=KernelsFound)
    names: TreeNames = field(default_factory=TreeNames)
    tools: set[str] = field(default_factory=set)
    releases: dict[str, str] = field(default_factory=dict)
    passwd: str = ""
    group: str = ""
    hosts: str | None = None
    dpkg_status: str = ""
    rpm_packages: RpmPackages | None = None
    older_rpm_database: str = ""
    user_xattrs: bool = False
    newest: int = 0
    noted: dict[str, Noted] = field(default_factory=dict)
    highest_id: int = 0
    devices: dict[str, DeviceNode] = field(default_factory=dict)
    attributes: list[Attribute] = field(default_factory=list)
    content: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    inodes: dict[str, int] = field(default_factory=lambda: defaultdict(int))


@dataclass(frozen=True, slots=True)
class PackageRecords:
    """What a tree's package managers have written down: dpkg's status file, what is in rpm's database.

    `older_rpm_database`: the path of a database in a form that is not read.
    """

    dpkg_status: str
    rpm_packages: RpmPackages | None
    older_rpm_database: str


def read_tree(path: Path, digest: str) -> tuple[TreeFacts, PackageRecords]:
    """The facts of the tree in the archive `path`, and its package managers' records.

    Raises BuildError when the archive, or a kernel or an initrd in /boot, cannot be read, or when a name in it leads
    out of the tree.
    """
    found = _Found()
    programs = {program for program, _tool in TOOLS}
    with archive.opened(path) as members:
        for member in members:
            if member.type == b"V":
                continue  # an archive's label
            name = found.names.place(member)
            _count(found, name, member)
            _note_privileges(found, name, member)
            if name in programs:
                found.tools.add(name)
            if (f"/{name}" in _WATCHED or _KEYS.fullmatch(name)) and (kind := _kind(member)):
                found.noted[f"/{name}"] = Noted(path=f"/{name}", kind=kind)
            found.kernels.look_at(name, member, members)
            if member.isreg():
                _look_into(found, name, member, members)
    records = PackageRecords(found.dpkg_status, found.rpm_packages, found.older_rpm_database)
    return _facts(found, digest), records


def _count(found: _Found, name: str, member: tarfile.TarInfo) -> None:
    parts = name.split("/")[:-1] if not member.isdir() else name.split("/")
    directory = "/" + "/".join(escaped(part) for part in parts[:_DEPTH])
    if not member.islnk():
        found.inodes[directory] += 1
    if member.isreg():
        found.content[directory] += -(-archive.content_bytes(member) // _BLOCK) * _BLOCK
    elif member.isdir():
        found.content[directory] += _BLOCK
    found.highest_id = max(found.highest_id, member.uid, member.gid)


def _note_privileges(found: _Found, name: str, member: tarfile.TarInfo) -> None:
    """What an ordinary user's namespace cannot make."""
    path = _encoded("/" + name)
    attributes = {key.removeprefix(_XATTR): value for key, value in member.pax_headers.items() if _XATTR in key}
    found.newest = max(found.newest, int(member.mtime))
    found.user_xattrs |= any(key.startswith("user.") for key in attributes)
    device = member.ischr() or member.isblk()
    for key, value in attributes.items():
        if device or key.startswith("trusted.") or (key.startswith("security.") and key != "security.capability"):
            data = base64.b64encode(value.encode("utf-8", "surrogateescape")).decode("ascii")
            found.attributes.append(Attribute(path=path, name=key, value=data))
    if device:
        before = found.devices.get(path)
        found.devices[path] = DeviceNode(
            path=path,
            members=(*(before.members if before else ()), _encoded(member.name)),
            kind="c" if member.ischr() else "b",
            major=member.devmajor,
            minor=member.devminor,
            mode=member.mode & 0o7777,
            uid=member.uid,
            gid=member.gid,
            mtime=int(member.mtime),
        )


def _kind(member: tarfile.TarInfo) -> Literal["file", "link", "directory"] | None:
    if member.isreg() or member.islnk():
        return "file"
    return "link" if member.issym() else "directory" if member.isdir() else None


def _encoded(name: str) -> str:
    return quote_from_bytes(name.encode("utf-8", "surrogateescape"))


def _look_into(found: _Found, name: str, member: tarfile.TarInfo, members: Members) -> None:
    if name in RELEASE_FILES:
        found.releases[name] = _text(members, member)
    elif name == "etc/passwd":
        found.passwd = _text(members, member)
    elif name == "etc/group":
        found.group = _text(members, member)
    elif name == "etc/hosts":
        found.hosts = _text(members, member)[:_MOST_HOSTS]
    elif name == DPKG_STATUS:
        found.dpkg_status = _text(members, member)
    elif name in SQLITE:
        found.rpm_packages = rpm_packages(members.open(member), member.size)
    elif name in OLDER:
        found.older_rpm_database = f"/{name}"


def _text(members: Members, member: tarfile.TarInfo) -> str:
    return members.content(member, _MOST_TEXT_BYTES).decode("utf-8", "replace")


def _facts(found: _Found, digest: str) -> TreeFacts:
    family = family_name(found.releases)
    return TreeFacts(
        digest=digest,
        family=family,
        initrd_tool=next((tool for program, tool in TOOLS if program in found.tools), None),
        kernels=found.kernels.facts(),
        user_xattrs=found.user_xattrs,
        epoch=found.newest,
        noted=tuple(found.noted[path] for path in sorted(found.noted)),
        highest_id=found.highest_id,
        devices=tuple(found.devices.values()),
        attributes=tuple(found.attributes),
        accounts=tuple(_accounts(found.passwd)),
        groups=tuple(_groups(found.group)),
        hosts=found.hosts,
        usage=tuple(
            Usage(path=path, content_bytes=found.content[path], inodes=found.inodes[path])
            for path in sorted(set(found.content) | set(found.inodes))
        ),
    )


def _accounts(passwd: str) -> Iterator[Account]:
    """passwd(5), without lines that are none, such as NIS's."""
    for fields in (line.split(":") for line in passwd.splitlines()):
        if len(fields) != 7:
            continue
        uid, gid = (number_or_none(field, most=_MOST_ID) for field in fields[2:4])
        if uid is not None and gid is not None:
            yield Account(name=fields[0], uid=uid, gid=gid, home=fields[5])


def _groups(group: str) -> Iterator[Group]:
    """group(5)."""
    for fields in (line.split(":") for line in group.splitlines()):
        if len(fields) == 4 and (gid := number_or_none(fields[2], most=_MOST_ID)) is not None:
            yield Group(name=fields[0], gid=gid)
