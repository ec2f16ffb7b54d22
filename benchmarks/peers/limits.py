"""The two limits: mmdebstrap alone (no image is made colder), and a plain copy of the tree (none warmer)."""

from __future__ import annotations

import subprocess

from benchmarks.workload import PACKAGES, SUITE, Place, Task


def mmdebstrap_words(place: Place, target: str) -> list[str]:
    words = ["mmdebstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
    return [*words, SUITE, target, f"deb {place.mirror} {SUITE} main"]


def tasks(place: Place) -> list[Task]:
    made = place.folder / "limit"
    found = [
        Task(
            "mmdebstrap alone", "cold", mmdebstrap_words(place, str(made / "tree.tar")), None, {}, lambda: _fresh(place)
        )
    ]
    if place.tree.is_file():
        source = place.folder / "tree"

        def unpack() -> None:
            _fresh(place)
            if not source.is_dir():
                source.mkdir()
                subprocess.run(["tar", "-C", str(source), "-xf", str(place.tree)], check=True)
                subprocess.run(["sync"], check=True)

        script = 'cp -a "$0" "$1" && sync -f "$1"'
        words = ["sh", "-c", script, str(source), str(made / "copy")]
        found.append(Task("plain copy, sync", "assembly ext4", words, None, {}, unpack))
    return found


def _fresh(place: Place) -> None:
    place.fresh("limit")
