"""virt-make-fs: a tree archive into a filesystem, by libguestfs's appliance."""

from __future__ import annotations

from pathlib import Path

from benchmarks.workload import IMAGE_MIB, Place, Task
from imagebuild.host.acceleration import accelerator
from imagebuild.host.cache import Cache


def tasks(place: Place) -> list[Task]:
    if not place.tree.is_file():
        return []
    found = []
    for filesystem in ("ext4", "xfs", "btrfs"):
        image = place.folder / "virt-make-fs" / f"{filesystem}.raw"
        words = [
            "virt-make-fs",
            "--format=raw",
            f"--type={filesystem}",
            f"--size={IMAGE_MIB}M",
            str(place.tree),
            str(image),
        ]
        checked = image if filesystem == "ext4" else None
        environment = _environment()
        found.append(Task("virt-make-fs", f"assembly {filesystem}", words, checked, environment, lambda: _fresh(place)))
    return found


def _environment() -> dict[str, str]:
    """Where KVM is there and does not work, libguestfs tries it all the same, and its appliance does not start."""
    emulated = {"LIBGUESTFS_BACKEND_SETTINGS": "force_tcg"} if accelerator(Cache()) == "tcg" else {}
    return {"LIBGUESTFS_BACKEND": "direct", **emulated}


def _fresh(place: Place) -> None:
    place.fresh("virt-make-fs")


def of_archive(place: Place, archive: Path, kind: str, size_mib: int) -> Task:
    image = place.folder / "virt-make-fs" / "growth.raw"
    words = ["virt-make-fs", "--format=raw", "--type=ext4", f"--size={size_mib}M", str(archive), str(image)]
    return Task("virt-make-fs", kind, words, None, _environment(), lambda: _fresh(place))
