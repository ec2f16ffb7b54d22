"""mkosi 14: an ext4 partition in a GPT; warm with --incremental.

It makes no initrd of its own: a script does, in the stage that --incremental keeps. With documentation, as the others.
--local-mirror: without it, mkosi would fetch newer packages from the security archive, which the others do not ask.
It lists that mirror as trusted while debootstrap has listed it as not, which apt refuses: an empty list replaces it.
--build-sources: an empty folder, for by default mkosi mounts the folder that it works in.
"""

from __future__ import annotations

from benchmarks.workload import IMAGE_MIB, PACKAGES, SUITE, Place, Task

_PREPARE = """#!/bin/sh
[ "$1" = final ] || exit 0
ls /boot/initrd.img-* >/dev/null 2>&1 || update-initramfs -c -k all
"""


def tasks(place: Place) -> list[Task]:
    script = place.folder / "mkosi.initrd"
    script.write_text(_PREPARE)
    script.chmod(0o755)
    skeleton = place.fresh("mkosi-skeleton")
    (skeleton / "etc/apt").mkdir(parents=True)
    (skeleton / "etc/apt/sources.list").touch()
    made, kept = place.folder / "mkosi", place.folder / "mkosi-kept"
    work = place.folder / "mkosi-work"
    image = made / "image.raw"
    words = [
        "mkosi", "--distribution=debian", f"--release={SUITE}", f"--mirror={place.mirror}",
        f"--local-mirror={place.mirror}", f"--skeleton-tree={skeleton}",
        f"--build-sources={place.fresh('mkosi-sources')}",
        "--format=gpt_ext4",
        f"--root-size={IMAGE_MIB}M", f"--package={','.join(PACKAGES)}", f"--prepare-script={script}",
        f"--output={image}", f"--workspace-dir={work}", "--force", "--with-docs", "--nspawn-keep-unit",
    ]  # fmt: skip

    def before(*, cold: bool) -> None:
        place.fresh("mkosi")
        place.fresh("mkosi-work")
        if cold:
            place.fresh("mkosi-kept")

    cold = [*words, "build"]
    # the cached tree lies beside the output: it is made in a folder of its own and stays there
    warm = [word.replace(str(image), str(kept / "image.raw")) for word in words] + ["--incremental", "build"]

    def before_warm() -> None:
        place.fresh("mkosi-work")
        kept.mkdir(exist_ok=True)
        (kept / "image.raw").unlink(missing_ok=True)

    return [
        Task("mkosi", "cold", cold, image, {}, lambda: before(cold=True), folder=made.parent),
        Task("mkosi", "warm", warm, kept / "image.raw", {}, before_warm, folder=made.parent),
    ]
