"""Which packages a recipe's tree is to hold, once an archive was asked: what makes a tree of yesterday another one.

CACHE/package-sets/DIGEST, a line each: under the digest of where the tree comes from, the digest of names and versions
(debian/offer.py). It takes part in the tree's key (tree.resolve), so a tree is made again when, and only when, an
update was asked for and found other versions. Without it a tree that is there is taken as it is.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from imagebuild.host.cache import Cache
from imagebuild.host.cache_kinds import FileKind

_KIND: FileKind = "package-sets"
_DIGEST = re.compile(r"[0-9a-f]{64}")


def read_package_set(cache: Cache, where_from: str) -> str | None:
    """The digest; None: nobody has asked, or nothing had changed since the tree was made."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        text = _path(cache, where_from).read_text(encoding="ascii").strip()
        return text if _DIGEST.fullmatch(text) else None
    return None


def write_package_set(cache: Cache, where_from: str, digest: str) -> None:
    """Raises OSError."""
    path = _path(cache, where_from)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(f"{digest}\n", encoding="ascii")
    partial.rename(path)


def _path(cache: Cache, where_from: str) -> Path:
    return cache.root / _KIND / where_from
