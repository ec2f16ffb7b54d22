"""vmdb2: debootstrap onto a loop-mounted filesystem; warm from its own --rootfs-tarball.

Its step kpartx wants the kernel's device mapper, which not every machine has: it is given a loop device as --image.
"""

from __future__ import annotations

from benchmarks.workload import IMAGE_MIB, PACKAGES, SUITE, Place, Task

_SCRIPT = """
set -e
truncate -s "$1"M "$2"
device=$(losetup -fP --show "$2")
trap 'losetup -d "$device"' EXIT
vmdb2 "$3" --image "$device" --log "$4" --rootfs-tarball="$5"
"""
_SPECIFICATION = """\
steps:
  - mklabel: msdos
    device: "{{{{ image }}}}"
  - mkpart: primary
    device: "{{{{ image }}}}"
    start: 1M
    end: 100%
    tag: root
  - mkfs: ext4
    partition: root
  - mount: root
  - unpack-rootfs: root
  - debootstrap: {suite}
    variant: minbase
    mirror: {mirror}
    target: root
    unless: rootfs_unpacked
  - apt: install
    packages: [{packages}]
    recommends: false
    tag: root
    unless: rootfs_unpacked
  - cache-rootfs: root
    unless: rootfs_unpacked
"""


def tasks(place: Place) -> list[Task]:
    specification = place.folder / "vmdb2.yaml"
    specification.write_text(_SPECIFICATION.format(suite=SUITE, mirror=place.mirror, packages=", ".join(PACKAGES)))
    made, kept = place.folder / "vmdb2", place.folder / "vmdb2-kept.tar"
    words = ["sh", "-c", _SCRIPT, "vmdb2", str(IMAGE_MIB), str(made / "image.raw"), str(specification)]
    words += [str(made / "log"), str(kept)]

    def cold() -> None:
        place.fresh("vmdb2")
        kept.unlink(missing_ok=True)

    return [
        Task("vmdb2", "cold", words, made / "image.raw", {}, cold),
        Task("vmdb2", "warm", words, made / "image.raw", {}, lambda: _fresh(place)),
    ]


def _fresh(place: Place) -> None:
    place.fresh("vmdb2")
