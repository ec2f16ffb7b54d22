"""Trees of a given size, for the growth of the time with it: a real kernel and initrd, and files like a system's."""

from __future__ import annotations

import io
import random
import tarfile
from pathlib import Path

from benchmarks.workload import Place

# Debian 12's own tree: 15,000 files, 43 KiB each; here log-normal, with the same mean.
_MEAN_LOG, _SIGMA = 9.0, 1.8
_MOST_BYTES = 8 * 2**20
_FILES_IN_FOLDER = 60


def tree_of(place: Place, gib: float) -> Path:
    """An archive whose files have about that size together; made once, the same each time."""
    path = place.folder / f"tree-{gib}.tar"
    if path.is_file():
        return path
    partial = path.with_suffix(".partial")
    chance = random.Random(gib)
    left = int(gib * 2**30)
    with tarfile.open(place.tree) as system, tarfile.open(partial, "w", format=tarfile.PAX_FORMAT) as archive:
        for member in system:
            if _wanted(member):
                archive.addfile(member, system.extractfile(member) if member.isreg() else None)
                left -= member.size
        number = 0
        while left > 0:
            size = min(int(chance.lognormvariate(_MEAN_LOG, _SIGMA)), _MOST_BYTES, left)
            file = tarfile.TarInfo(f"./srv/{number // _FILES_IN_FOLDER}/{number}")
            file.size, file.mtime = size, 1_700_000_000
            archive.addfile(file, io.BytesIO(chance.randbytes(size)))
            left -= max(size, 1)
            number += 1
    partial.rename(path)
    return path


def _wanted(member: tarfile.TarInfo) -> bool:
    name = member.name.removeprefix("./")
    if member.isdir():
        return name.count("/") < 1
    return name.startswith(("boot/", "etc/")) or (member.issym() and "/" not in name)
