"""What a partition holds, by its first bytes: which filesystem, its UUID, label and features, and whether it is clean.

Each type reads its own (filesystems/).
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

# All superblocks known to us end before this byte (Btrfs' and ReiserFS' begin at 64 KiB).
PROBE_BYTES = 0x11000


@dataclass(frozen=True, slots=True)
class Superblock:
    """`type` is blkid's word: that of a filesystem, or LVM2_member.

    `uuid` and `label` may be empty. `features`: ext's by their mke2fs names, for the others a few words (`v4`, `v5`,
    `ftype`, `devices=2`). `unclean` says why the filesystem wants a check or a journal replay; empty when it does not
    or when the superblock cannot tell. `block_bytes` is 0 where there are no blocks. `size_bytes`: how much of its
    device the filesystem says it uses, 0 where it does not say.
    """

    type: str
    uuid: str = ""
    label: str = ""
    features: frozenset[str] = frozenset()
    unclean: str = ""
    block_bytes: int = 0
    size_bytes: int = 0


def text_of(data: bytes) -> str:
    """A label: up to its first zero byte."""
    return data.split(b"\0")[0].decode("utf-8", "replace").strip()


def uuid_of(data: bytes) -> str:
    """Sixteen bytes as a UUID; empty where they are zeros."""
    return str(uuid.UUID(bytes=data)) if any(data) else ""
