"""diskimage-builder (PyPI): element debian-minimal, a raw image; warm with its own cache of the bootstrap."""

from __future__ import annotations

import os

from benchmarks.workload import IMAGE_MIB, PACKAGES, SUITE, Place, Task


def tasks(place: Place) -> list[Task]:
    made = place.folder / "dib-made"
    programs = place.folder / "dib" / "bin"
    image = made / "image.raw"
    words = [
        str(programs / "disk-image-create"), "-a", "amd64", "-o", str(image.with_suffix("")), "-t", "raw", "-x",
        "--image-size", str(IMAGE_MIB // 1000 + 1), "--no-tmpfs", "-p", ",".join(PACKAGES), "debian-minimal",
    ]  # fmt: skip
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "DIB_RELEASE": SUITE,
        "DIB_DISTRIBUTION_MIRROR": place.mirror,
        "DIB_DEBIAN_DISTRIBUTION_MIRROR": place.mirror,
        "DIB_APT_SOURCES_CONF": f"default:deb {place.mirror} {SUITE} main",
        "DIB_IMAGE_CACHE": str(place.folder / "dib-kept"),
        "DIB_DEBOOTSTRAP_CACHE": "1",
        "DIB_DEBUG_TRACE": "0",
        "TMPDIR": str(place.folder / "dib-tmp"),
    }

    def cold() -> None:
        place.fresh("dib-made")
        place.fresh("dib-kept")
        place.fresh("dib-tmp")

    def warm() -> None:
        place.fresh("dib-made")
        place.fresh("dib-tmp")

    again = {**environment, "DIB_DEBIAN_USE_DEBOOTSTRAP_CACHE": "1"}
    return [
        Task("diskimage-builder", "cold", words, image, environment, cold),
        Task("diskimage-builder", "warm", words, image, again, warm),
    ]
