"""Identities that other tools draw at random, computed here: the same recipe gives the same image, bit for bit."""

from __future__ import annotations

import hashlib
import uuid

# Any fixed UUID would do; this one is uuid5(NAMESPACE_DNS, "imagebuild").
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "imagebuild")


def uuid_for(recipe_name: str, place: str) -> str:
    """The UUID of what lies at `place` ("hd0,0", "vg0/root", …) in this recipe's image."""
    return str(uuid.uuid5(_NAMESPACE, f"{recipe_name}:{place}"))


def disk_id_for(recipe_name: str) -> int:
    """The MBR's 32-bit disk signature; never 0, which means "none" there."""
    digest = hashlib.sha256(f"imagebuild disk:{recipe_name}".encode()).digest()
    return int.from_bytes(digest[:4], "big") or 1


# lvm2's lib/uuid/uuid.c: 32 characters, shown in groups of 6-4-4-4-4-4-6.
_LVM_CHARACTERS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def lvm_id_for(recipe_name: str, what: str) -> str:
    """The identity of a physical volume, a volume group or a logical volume, as LVM shows it."""
    digest = hashlib.sha256(f"imagebuild lvm:{recipe_name}:{what}".encode()).digest()
    text = "".join(_LVM_CHARACTERS[byte % len(_LVM_CHARACTERS)] for byte in digest)
    return "-".join(
        text[start:end] for start, end in ((0, 6), (6, 10), (10, 14), (14, 18), (18, 22), (22, 26), (26, 32))
    )
