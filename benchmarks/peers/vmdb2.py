"""vmdb2: debootstrap onto a loop-mounted filesystem; warm from its own --rootfs-tarball."""

from __future__ import annotations

from benchmarks.workload import IMAGE_MIB, PACKAGES, SUITE, Place, Task

_SPECIFICATION = """\
steps:
  - mkimg: "{{{{ output }}}}"
    size: {size}M
  - mklabel: msdos
    device: "{{{{ output }}}}"
  - mkpart: primary
    device: "{{{{ output }}}}"
    start: 1M
    end: 100%
    tag: root
  - kpartx: "{{{{ output }}}}"
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
    specification.write_text(
        _SPECIFICATION.format(size=IMAGE_MIB, suite=SUITE, mirror=place.mirror, packages=", ".join(PACKAGES))
    )
    made, kept = place.folder / "vmdb2", place.folder / "vmdb2-kept.tar"
    words = ["vmdb2", str(specification), "--output", str(made / "image.raw"), "--log", str(made / "log")]

    def cold() -> None:
        place.fresh("vmdb2")
        kept.unlink(missing_ok=True)

    words += [f"--rootfs-tarball={kept}"]
    return [
        Task("vmdb2", "cold", words, made / "image.raw", {}, cold),
        Task("vmdb2", "warm", words, made / "image.raw", {}, lambda: _fresh(place)),
    ]


def _fresh(place: Place) -> None:
    place.fresh("vmdb2")
