"""Extended attributes: inside the inode where they fit, else in one block of their own."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from imagebuild.assemble.inside.xfs_writer.checksum import sealed
from imagebuild.assemble.inside.xfs_writer.geometry import BLOCK_BYTES, Geometry, XfsError

_ROOT, _SECURE, _LOCAL = 2, 4, 1
_CLASSES = {"user": 0, "trusted": _ROOT, "security": _SECURE}
# The kernel keeps ACLs under names of its own (xfs_acl.h), and in a form of its own.
_ACLS = {"system.posix_acl_access": b"SGI_ACL_FILE", "system.posix_acl_default": b"SGI_ACL_DEFAULT"}
_LEAF_MAGIC_V4, _LEAF_MAGIC_V5 = 0xFBEE, 0x3BEE


@dataclass(frozen=True, slots=True)
class Attribute:
    flags: int
    name: bytes
    value: bytes


def attributes_of(named: list[tuple[str, bytes]]) -> list[Attribute]:
    """As XFS names them. Raises XfsError for a class that it does not know."""
    found = []
    for name, value in named:
        if name in _ACLS:
            found.append(Attribute(_ROOT, _ACLS[name], _acl(value)))
            continue
        class_, _, rest = name.partition(".")
        if class_ not in _CLASSES:
            raise XfsError(f"an attribute {name} has no place in XFS")
        found.append(Attribute(_CLASSES[class_], rest.encode("utf-8", "surrogateescape"), value))
    return found


def _acl(value: bytes) -> bytes:
    """From linux/posix_acl_xattr.h's form (little-endian) to xfs_acl's."""
    entries = [struct.unpack_from("<HHI", value, offset) for offset in range(4, len(value), 8)]
    packed = (struct.pack(">IIHH", tag, identity, permissions, 0) for tag, permissions, identity in entries)
    return struct.pack(">I", len(entries)) + b"".join(packed)


def short_form(attributes: list[Attribute]) -> bytes | None:
    """For the inode's second fork; None where one is too large for that."""
    if any(len(item.value) > 255 for item in attributes):
        return None
    packed = b"".join(
        bytes([len(item.name), len(item.value), item.flags]) + item.name + item.value for item in attributes
    )
    if len(attributes) > 255:
        return None
    return struct.pack(">HBB", 4 + len(packed), len(attributes), 0) + packed


def leaf(geometry: Geometry, attributes: list[Attribute], block: int, owner: int) -> bytearray:
    """A block of attributes. Raises XfsError when they do not fit into one."""
    header_bytes = 80 if geometry.crc else 32
    ordered = sorted(attributes, key=lambda item: (hash_name(item.name), item.name))
    data = bytearray(BLOCK_BYTES)
    first_used = BLOCK_BYTES
    used = 0
    for number, item in enumerate(ordered):
        length = -(-(3 + len(item.name) + len(item.value)) // 4) * 4
        first_used -= length
        used += length
        entry = header_bytes + number * 8
        if first_used < header_bytes + len(ordered) * 8:
            raise XfsError("its extended attributes do not fit into one block")
        struct.pack_into(">IHBB", data, entry, hash_name(item.name), first_used, item.flags | _LOCAL, 0)
        struct.pack_into(">HB", data, first_used, len(item.value), len(item.name))
        content = item.name + item.value
        data[first_used + 3 : first_used + 3 + len(content)] = content
    base = header_bytes + len(ordered) * 8
    tail = struct.pack(">HHHBB6H", len(ordered), used, first_used, 0, 0, base, first_used - base, 0, 0, 0, 0)
    return with_info(geometry, data, _LEAF_MAGIC_V5 if geometry.crc else _LEAF_MAGIC_V4, block, owner, tail)


def with_info(
    geometry: Geometry,
    data: bytearray,
    magic: int,
    block: int,
    owner: int,
    tail: bytes,
    *,
    links: tuple[int, int] = (0, 0),
) -> bytearray:
    """With xfs_da_blkinfo (V5: xfs_da3_blkinfo) and what follows it; `links`: forward and back."""
    head = struct.pack(">IIHH", *links, magic, 0)
    if geometry.crc:
        head += struct.pack(">IQQ16sQ", 0, geometry.address(block), 0, geometry.uuid, owner)
    data[: len(head) + len(tail)] = head + tail
    return sealed(data, 12) if geometry.crc else data


def hash_name(name: bytes) -> int:
    """xfs_da_hashname: of names in folders and of attributes."""
    value = 0
    for byte in name:
        value = byte ^ (value << 7 | value >> 25) & 0xFFFFFFFF
    return value
