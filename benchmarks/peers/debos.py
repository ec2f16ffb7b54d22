"""debos without its virtual machine (there is no KVM here): debootstrap, then a partition filled from the tree.

Warm is its own way to build on a tree of before: a recipe that packs it, and one that unpacks it.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from benchmarks.workload import IMAGE_MIB, PACKAGES, SUITE, Place, Task

_BOOTSTRAP = """\
architecture: amd64
actions:
  - action: debootstrap
    suite: {suite}
    components: [main]
    mirror: {mirror}
    variant: minbase
    keyring-file: /usr/share/keyrings/debian-archive-keyring.gpg
  - action: apt
    recommends: false
    packages: [{packages}]
"""
_UNPACK = """\
architecture: amd64
actions:
  - action: unpack
    file: kept.tar.gz
    compression: gz
"""
_PACK = """\
  - action: pack
    file: kept.tar.gz
    compression: gz
"""
# debos' `udevadm trigger --settle` never ends without udev's daemon, which is in the way of the other tools.
_WITH_UDEV = """
udevadm control --ping --timeout=2 2>/dev/null || { /lib/systemd/systemd-udevd & trap "kill $!" EXIT; }
debos "$@"
"""
_DEPLOY = """\
  - action: image-partition
    imagename: image.raw
    imagesize: {size}MB
    partitiontype: msdos
    mountpoints: [{{mountpoint: /, partition: root}}]
    partitions: [{{name: root, fs: ext4, start: 1MiB, end: 100%}}]
  - action: filesystem-deploy
"""


def tasks(place: Place) -> list[Task]:
    made, kept = place.folder / "debos", place.folder / "debos-kept"
    deploy = _DEPLOY.format(size=IMAGE_MIB)
    bootstrap = _BOOTSTRAP.format(suite=SUITE, mirror=place.mirror, packages=", ".join(PACKAGES))
    recipes = {"cold": bootstrap + deploy, "pack": bootstrap + _PACK, "warm": _UNPACK + deploy}
    for name, text in recipes.items():
        (place.folder / f"debos-{name}.yaml").write_text(text)

    def words(name: str, artifacts: Path) -> list[str]:
        recipe = place.folder / f"debos-{name}.yaml"
        return ["sh", "-c", _WITH_UDEV, "debos", "--disable-fakemachine", f"--artifactdir={artifacts}", str(recipe)]

    def before_warm() -> None:
        _fresh(place)
        kept.mkdir(exist_ok=True)
        (kept / "image.raw").unlink(missing_ok=True)
        if not (kept / "kept.tar.gz").is_file():
            subprocess.run(words("pack", kept), capture_output=True, timeout=900, cwd=place.folder)

    return [
        Task("debos", "cold", words("cold", made), made / "image.raw", {}, lambda: _fresh(place)),
        Task("debos", "warm", words("warm", kept), kept / "image.raw", {}, before_warm),
    ]


def _fresh(place: Place) -> None:
    Path("/dev/disk").mkdir(exist_ok=True)  # debos binds it into its container; without udev it is not there
    place.fresh("debos")
