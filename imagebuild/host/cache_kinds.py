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
    "kernels",
    "laid",
    "packages",
    "pv-grub",
    "testhost",
    "trees",
    "verdicts",
]
"""Kinds whose entries are directories, each under its digest."""
FileKind = Literal["package-sets", "publish", "stamps"]
"""Kinds that are small files, which only save time."""


@dataclass(frozen=True, slots=True)
class CacheKind:
    """`key`: what the name of an entry is made of. `limit`: what its maker keeps at most; empty: all, until a prune."""

    what: str
    key: str
    limit: str = ""


# They come from trees that are cached anyway, and each change of a script makes others.
MOST_LAID_BYTES = 8 * 2**30
MOST_STAMPS = 1000  # some 200 bytes each; nothing says that an image is gone

KINDS: Mapping[Kind | FileKind, CacheKind] = {
    "acceleration": CacheKind("whether KVM works here", "this boot of the machine, QEMU's version, the user"),
    "appliance": CacheKind("which filesystems the appliance makes", "this machine's kernels, modules and appliance"),
    "archives": CacheKind("apt's lists of what archives offer", "sources, architecture"),
    "bundles": CacheKind("EC2 bundles on their way", "the image's sha256, account, name, machine, public keys"),
    "dom0-state": CacheKind("a booted dom0", "the machine's arguments, the test host, QEMU's version"),
    "essentials": CacheKind(
        "essential packages, installed", "mmdebstrap, suite, architecture, sources; the packages' names and sha256"
    ),
    "kernels": CacheKind("kernels from beside a recipe, looked into", "the files' names and sha256"),
    "laid": CacheKind(
        "filesystems, populated but not finished", "mke2fs' version, the tree's content, edits, filesystems",
        limit=f"{MOST_LAID_BYTES // 2**30} GiB",
    ),
    "package-sets": CacheKind("which packages an update found", "where the tree comes from"),
    "packages": CacheKind("packages' files", "their names and sha256"),
    "publish": CacheKind("what an interrupted upload has sent", "the snapshot's id"),
    "pv-grub": CacheKind("genuine PV-GRUB", "none, you put it there"),
    "stamps": CacheKind("sha256 of images by their times", "the image's path", limit=f"{MOST_STAMPS} files"),
    "testhost": CacheKind("the Xen test host", "the names of its packages, their suite, and how it is made"),
    "trees": CacheKind("root trees", "where the tree comes from: packages, archive, image, folder"),
    "verdicts": CacheKind("verdicts of images", "the image's sha256, machines, settings, loader, the judge's own code"),
}  # fmt: skip
