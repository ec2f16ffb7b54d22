"""Which filesystems libguestfs' appliance makes and mounts here: found by asking it once, and kept in the cache.

The appliance runs a kernel of this machine with this machine's programs, so the distribution decides: one whose kernel
has no ReiserFS, or without libguestfs-reiserfs, cannot make one. An answer holds until one of these changes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

from imagebuild.errors import HostError
from imagebuild.host.acceleration import accelerator
from imagebuild.host.cache import Cache
from imagebuild.host.cache_kinds import Kind
from imagebuild.host.guest import FILESYSTEMS, appliance_filesystems, load_binding

KIND: Kind = "appliance"
# Where supermin finds the kernel, its modules, and what goes into the appliance (supermin(1); SUPERMIN_KERNEL and
# SUPERMIN_MODULES name others).
_PLACES = (Path("/boot"), Path("/lib/modules"), Path("/usr/lib/x86_64-linux-gnu/guestfs/supermin.d"))
_VARIABLES = ("LIBGUESTFS_PATH", "SUPERMIN_KERNEL", "SUPERMIN_KERNEL_VERSION", "SUPERMIN_MODULES")


def mountable(cache: Cache) -> dict[str, bool]:
    """Of each filesystem (the keys of `guest.FILESYSTEMS`), whether the appliance can. The first call launches it.

    Raises HostError when it does not start.
    """

    def make(folder: Path) -> None:
        (folder / "answer.json").write_text(json.dumps(appliance_filesystems(accelerator(cache))), encoding="utf-8")

    path, _ = cache.get(KIND, digest(), make)
    answer: dict[str, bool] = json.loads((path / "answer.json").read_text(encoding="utf-8"))
    return answer


def check_mountable(wanted: Iterable[str], cache: Cache) -> None:
    """Raises HostError when the appliance cannot make one of these filesystems. Asks nothing where none is wanted."""
    kinds = sorted(set(wanted))
    if not kinds:
        return
    able = mountable(cache)
    if lacking := [kind for kind in kinds if not able.get(kind)]:
        raise HostError(
            f"this machine cannot make {' and '.join(lacking)}: libguestfs' appliance was tried and cannot mount it",
            details=f"it mounts {', '.join(kind for kind in able if able[kind])}",
            resolution=remedy(lacking),
        )


def remedy(lacking: Iterable[str]) -> str:
    """What to do where the appliance cannot mount these."""
    packages = sorted({FILESYSTEMS[kind] for kind in lacking} - {"libguestfs0"})
    return (
        f"install the Debian packages {' '.join([*packages, 'linux-image-amd64'])} (the appliance runs this machine's "
        "kernel: the cloud flavour and Linux 6.13 and later have no reiserfs); or take another filesystem, or another "
        "machine, whose kernel has it"
    )


def digest() -> str:
    """The name of the answer in the cache: changes with libguestfs, with the kernels, with what the appliance is of."""
    version = load_binding().GuestFS(python_return_dict=True).version()
    found = [
        [str(path), path.stat().st_mtime_ns] for place in _PLACES if place.is_dir() for path in sorted(place.iterdir())
    ]
    settings = {name: os.environ.get(name) for name in _VARIABLES}
    return hashlib.sha256(json.dumps([version, found, settings], sort_keys=True).encode()).hexdigest()
