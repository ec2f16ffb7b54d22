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
