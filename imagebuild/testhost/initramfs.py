"""Writes an initial ramdisk: a cpio archive in the "newc" format (Linux: Documentation/driver-api/early-userspace/
buffer-format.rst). Every file belongs to root, whoever runs this; the same input gives the same bytes."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from dataclasses import dataclass

_TRAILER = "TRAILER!!!"


@dataclass(frozen=True, slots=True)
class Member:
    """One name in the archive. `mode` holds type and permissions; a symlink's target is its content."""

    name: str
    mode: int
    content: bytes = b""
    device: tuple[int, int] = (0, 0)


def folder(name: str) -> Member:
    return Member(name, stat.S_IFDIR | 0o755)


def file(name: str, content: bytes, permissions: int = 0o755) -> Member:
    return Member(name, stat.S_IFREG | permissions, content)


def symlink(name: str, target: str) -> Member:
    return Member(name, stat.S_IFLNK | 0o777, target.encode())


def character_device(name: str, major: int, minor: int) -> Member:
    return Member(name, stat.S_IFCHR | 0o600, device=(major, minor))


def archive(members: Iterable[Member]) -> bytes:
    """The members as one uncompressed archive (unpacking costs dom0 nothing, decompressing does)."""
    output = bytearray()
    for inode, member in enumerate([*members, Member(_TRAILER, 0)], start=1):
        output += _header(inode, member)
        output += b"\0" * (-len(output) % 4)
        output += member.content
        output += b"\0" * (-len(output) % 4)
    return bytes(output)


def _header(inode: int, member: Member) -> bytes:
    name = member.name.encode() + b"\0"
    owner = group = modified = checksum = 0
    links = 1
    numbers = [inode, member.mode, owner, group, links, modified, len(member.content)]
    numbers += [0, 0, *member.device, len(name), checksum]
    return b"070701" + b"".join(b"%08X" % number for number in numbers) + name
