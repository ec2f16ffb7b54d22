"""Nights as a summary page shows them, good and hostile."""

from __future__ import annotations

import random

from imagebuild.nightly.model import Night, Result, State
from imagebuild.report import PackageNews, PackageUpdate

HOSTILE = "<script>document.title = 'owned'</script>\x1b[2J\x00 \"'> &amp; \u202e<svg onload=x> " + "x" * 300
_NAMES = ("debian-12-hd0", "debian-12-hd00-lvm", "web-frontend", "postgres", "build-agent")


def sample_nights(count: int = 24, *, hostile: bool = False) -> list[Night]:
    """Five recipes over some weeks; in the last night one is bad, one hangs, one was failed by the network."""
    dice = random.Random(7)
    nights = [_night(number, dice, last=number == count) for number in range(1, count + 1)]
    if hostile:
        bad = (
            nights[-1]
            .results[0]
            .model_copy(
                update={
                    "name": HOSTILE,
                    "message": HOSTILE,
                    "recipe": HOSTILE,
                    "worker": HOSTILE,
                    "image_sha256": HOSTILE,
                }
            )
        )
        update = {"results": (bad, *nights[-1].results[1:]), "notes": (HOSTILE,)}
        nights[-1] = nights[-1].model_copy(update=update)
    return nights


def _night(number: int, dice: random.Random, *, last: bool) -> Night:
    results = tuple(_result(name, index, number, dice, last=last) for index, name in enumerate(_NAMES))
    notes = []
    if last:
        notes = [
            "web-frontend: attempt 1 failed for the network's sake (Could not resolve); tried again",
            "the cache entry trees/7bb93da0aeefff33 was damaged (tree.tar: changed) and is made again",
        ]
    return Night(
        number=number, begun=f"2026-{10 + number // 31:02}-{1 + number % 30:02}T02:17:00Z", seconds=900 + 40 * number,
        results=results, notes=tuple(notes), imagebuild_version="0.1.0",
    )  # fmt: skip


def _result(name: str, index: int, number: int, dice: random.Random, *, last: bool) -> Result:
    state, code, message = State.PASSED, 0, ""
    if last and index == 3:
        state, code, message = State.FAILED, 10, "static: kernel-blocks; xen: boot"
    elif last and index == 4:
        state, code = State.BROKEN, 5
        message = "xen boot took longer than 3600 s, the limit of a stage, and was ended"
    elif number > 2 and dice.random() < 0.35:
        state, message = State.UNCHANGED, "unchanged and still verified: not built"
    size = (680 + 40 * index + 3 * number + dice.randrange(8)) * 10**6
    return Result(
        name=name, recipe=f"recipes/{name}.yaml", state=state, exit_code=code, message=message,
        seconds=0 if state is State.UNCHANGED else 150 + dice.random() * 60, attempts=2 if index == 2 and last else 1,
        worker="build3", image=f"{name}.raw",
        image_sha256="" if state is State.BROKEN else f"{number:02x}{index:02x}" * 16,
        size_bytes=2 * size, real_bytes=0 if state is State.BROKEN else size,
        build_seconds=0 if state is State.BROKEN else 18 + 4 * dice.random() + index,
        packages=_packages(number, state),
        links={} if state is State.BROKEN else {
            word: f"{name}/{file}"
            for word, file in (("report", "report.html"), ("image", f"{name}.raw"), ("console: xen", "console-xen.log"))
        },
        boot_seconds={} if state is State.BROKEN else {"qemu": 31 + 5 * dice.random(), "xen": 62 + 9 * dice.random()},
    )  # fmt: skip


def _packages(number: int, state: State) -> PackageNews | None:
    if state is State.BROKEN:
        return None
    update = PackageUpdate(
        name="openssl", before="3.0.14-1~deb12u1", after="3.0.14-1~deb12u2", releases=("bookworm-security",)
    )
    day = f"2026-{10 + number // 31:02}-{1 + number % 30:02}T00:53:13Z"
    updated = () if state is State.UNCHANGED else (update,)
    return PackageNews(as_of=day, count=127, asked=True, updated=updated)
