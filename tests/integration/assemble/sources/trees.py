"""Trees for the tests of the sources: a kernel and an initrd that our readers take for real, and little else."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

from tests import images
from tests.ordinary_user import give_imagebuild

MODULES = ("xen-blkfront", "ext4", "xfs", "btrfs", "virtio_blk", "virtio_pci")
EPOCH = 1_600_000_000
RECIPE = """\
name: test
rootfs: {source}
disk: {{layout: hd0, size: 48MiB, filesystem: ext4}}
verify: {{qemu: false}}
{more}
"""
_BUILD = """
import sys
from pathlib import Path
from imagebuild.operations.image import build_image
from imagebuild.errors import ImagebuildError
from imagebuild.host.cache import Cache
from imagebuild.recipe.load import load_recipe
from imagebuild.events import Quiet
progress = Quiet()
try:
    recipe, target, cache = map(Path, sys.argv[1:])
    build_image(load_recipe(recipe), target, cache=Cache(cache), progress=progress, secrets={})
except ImagebuildError as error:
    problems = "\\n".join(map(str, getattr(error, "problems", [])))
    sys.exit("\\n".join([type(error).__name__ + ": " + error.brief, problems, error.details, error.resolution]))
"""


def boot_files() -> dict[str, bytes]:
    """What every tree needs to be planned."""
    return {
        f"boot/vmlinuz-{images.RELEASE}": images.kernel(),
        f"boot/initrd.img-{images.RELEASE}": images.initrd(modules=MODULES),
        "etc/os-release": b"ID=debian\n",
        "etc/hostname": b"test\n",
    }


def member(name: str, kind: bytes = tarfile.REGTYPE, **fields: object) -> tarfile.TarInfo:
    """A header with a fixed time; `fields` are TarInfo's own."""
    info = tarfile.TarInfo(name)
    info.type = kind
    info.mtime = EPOCH
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def add(archive: tarfile.TarFile, info: tarfile.TarInfo, content: bytes = b"") -> None:
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))


def add_boot_files(archive: tarfile.TarFile, prefix: str = "./") -> None:
    for folder in ("boot", "etc", "dev", "proc", "run", "tmp"):
        add(archive, member(prefix + folder, tarfile.DIRTYPE))
    for name, content in boot_files().items():
        add(archive, member(prefix + name), content)


def write_recipe(folder: Path, source: str, more: str = "") -> Path:
    recipe = folder / "recipe.yaml"
    recipe.write_text(RECIPE.format(source=source, more=more))
    return recipe


def build(recipe: Path, target: Path, cache: Path, user: str | None = None) -> str:
    """Build in a process of its own, as `user` if given; returns what the build complained of, or nothing."""
    words = [sys.executable, "-c", _BUILD, str(recipe), str(target), str(cache)]
    if user is not None:
        give_imagebuild(user)
        become = ["setpriv", "--reuid", user, "--regid", user, "--init-groups", "--reset-env"]
        words = [*become, "/usr/bin/python3", *words[1:]]
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(EPOCH)}
    folder = recipe.parent if user else None  # where the tests run may be closed to the user
    done = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=300, check=False, cwd=folder)
    assert done.returncode in (0, 1), done.stderr
    return done.stderr if done.returncode else ""
