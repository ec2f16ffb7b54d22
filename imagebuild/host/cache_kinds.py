"""Every kind of thing that is cached between builds, in one table: what it is, what its key says, its limit.

A kind is a directory of the cache (cache.py). Nothing is cached under another name: `Cache` takes these names only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "acceleration",
    "appliance",
    "archives",
    "bundles",
    "dom0-state",
    "essentials",
    "filesystems",
    "grub",
    "kernels",
    "packages",
    "pv-grub",
    "testhost",
    "trees",
    "verdicts",
]
"""Kinds whose entries are directories, each under its digest."""
FileKind = Literal["package-sets", "publish", "stamps", "supermin"]
"""Kinds that only save time: small files, and what libguestfs keeps for itself."""


@dataclass(frozen=True, slots=True)
class CacheKind:
    """`key`: what the name of an entry is made of. `limit`: what its maker keeps at most; empty: all, until a prune."""

    what: str
    key: str
    limit: str = ""


# They come from trees that are cached anyway, and each change of a script makes others.
MOST_FILESYSTEMS_BYTES = 8 * 2**30
MOST_STAMPS = 1000  # some 200 bytes each; nothing says that an image is gone

KINDS: Mapping[Kind | FileKind, CacheKind] = {
    "acceleration": CacheKind("whether KVM works", "this boot of the machine, QEMU's version, the user"),
    "appliance": CacheKind("filesystems that the appliance can make", "this machine's kernels, modules and appliance"),
    "archives": CacheKind("apt's lists of what archives offer", "sources, architecture"),
    "bundles": CacheKind("unfinished EC2 bundles", "the image's sha256, account, name, machine, public keys"),
    "dom0-state": CacheKind("a booted dom0", "the machine's arguments, the test host, QEMU's version"),
    "essentials": CacheKind(
        "essential packages, installed", "mmdebstrap, suite, architecture, sources; the packages' names and sha256"
    ),
    "grub": CacheKind("GRUB 2's cores", "the names of its packages, their suite, and how they are made"),
    "filesystems": CacheKind(
        "base filesystems (reusable)", "mke2fs' version, the tree's content, edits, filesystems",
        limit=f"{MOST_FILESYSTEMS_BYTES // 2**30} GiB",
    ),
    "kernels": CacheKind("facts about kernels beside recipes", "the files' names and sha256"),
    "package-sets": CacheKind("which packages an update found", "where the tree comes from"),
    "packages": CacheKind("packages' files", "their names and sha256"),
    "publish": CacheKind("progress of interrupted uploads", "the snapshot's id"),
    "pv-grub": CacheKind("genuine PV-GRUB", "none: you put it there"),
    "stamps": CacheKind("sha256 of unchanged images", "the image's path", limit=f"{MOST_STAMPS} files"),
    "supermin": CacheKind("libguestfs' appliance", "the user; libguestfs makes it again when its parts change"),
    "testhost": CacheKind("the Xen test host", "the names of its packages, their suite, and how it is made"),
    "trees": CacheKind("root trees", "where the tree comes from: packages, archive, image, directory"),
    "verdicts": CacheKind("verdicts of images", "the image's sha256, machines, settings, loader, the checks' own code"),
}  # fmt: skip
