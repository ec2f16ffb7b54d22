"""XFS written in user space: xfs_repair finds nothing, whatever the folder holds, and two runs write the same bytes.

That a kernel reads it, and all that tar keeps, is tried in test_layouts.py and by the boots.
"""

from __future__ import annotations

import os
import random
import socket
from pathlib import Path

import pytest

from imagebuild.assemble.inside.xfs_writer import XfsError, fill_xfs
from imagebuild.bootloaders.table import LOADERS
from imagebuild.errors import PlanError
from imagebuild.filesystems.table import making
from imagebuild.host import command
from imagebuild.recipe.model import FilesystemSpec

pytestmark = [pytest.mark.integration, pytest.mark.needs("mkfs.xfs", "xfs_repair")]
MIB = 2**20
UUID = "11111111-2222-4333-8444-555555555555"
VERSIONS = {"v4": LOADERS["pv-grub"], "v5": None}


def make(image: Path, folder: Path, version: str, size_bytes: int = 400 * MIB) -> None:
    with image.open("wb") as file:
        file.truncate(size_bytes)
    options = making(FilesystemSpec(type="xfs"), "disk", VERSIONS[version]).options
    command.run(["mkfs.xfs", "-q", "-f", *options, "-m", f"uuid={UUID}", str(image)], doing="mkfs.xfs")
    with image.open("r+b", buffering=0) as file:
        fill_xfs(file, folder)


def check(image: Path) -> None:
    command.run(["xfs_repair", "-n", "-f", str(image)], doing="xfs_repair")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders in each of their forms, also just below and above where the form changes; links, holes, attributes."""
    root = tmp_path_factory.mktemp("xfs") / "content"
    root.mkdir()
    draw = random.Random(7)
    for count in (
        0,
        1,
        12,
        17,
        30,
        100,
        160,
        169,
        170,
        171,
        172,
        250,
        480,
        501,
        502,
        503,
        504,
        505,
        508,
        509,
        511,
        1030,
        4000,
    ):
        names(root / f"folder-{count}", count, draw)
    (root / "long").mkdir()
    for number in range(300):
        (root / "long" / f"{number:03}{'n' * 252}").touch()
    odd = root / "odd names\n"
    odd.mkdir()
    (odd / "a file").write_bytes(draw.randbytes(70_000))
    os.link(odd / "a file", odd / "its other name")
    for length in (1, 155, 156, 157, 335, 336, 337, 1000):
        (odd / f"link-{length}").symlink_to("t" * length)
    os.mkfifo(odd / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(odd)
        listener.bind("socket")
        os.chdir(here)
    for number, runs in enumerate((1, 2, 40)):
        with (odd / f"holes-{number}").open("wb") as file:
            for run in range(runs):
                file.seek(run * 100_000)
                file.write(b"data")
            file.truncate(runs * 100_000 + 50_000)
    for number, size in enumerate((0, 1, 100, 255, 256, 1500)):
        path = odd / f"attributes-{number}"
        path.touch()
        os.utime(path, ns=(0, (number - 2) * 10**18))
        try:
            os.setxattr(path, "user.value", draw.randbytes(size))
        except OSError:
            pytest.skip("the folder for tests keeps no attributes of the class user")
    return root


def names(folder: Path, count: int, draw: random.Random) -> None:
    folder.mkdir()
    for number in range(count):
        (folder / f"{number}{'abcdefgh'[: draw.randrange(8)]}").touch()


@pytest.mark.parametrize("version", VERSIONS)
def test_it_is_clean_and_the_same_each_time(version: str, folder: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        make(tmp_path / name, folder, version)
    check(tmp_path / "one")
    one, two = (
        command.run(["sha256sum", str(tmp_path / name)], doing="sha256sum").split()[0] for name in ("one", "two")
    )
    assert one == two


def test_more_inodes_than_one_block_lists(tmp_path: Path) -> None:
    """Above some 16000 inodes a group its trees of inodes have two levels."""
    root = tmp_path / "many"
    for number in range(70):
        names(root / f"{number}" if root.exists() else made(root) / f"{number}", 1000, random.Random(number))
    make(tmp_path / "image", root, "v5", 600 * MIB)
    check(tmp_path / "image")


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    root = made(tmp_path / "large")
    with (root / "file").open("wb") as file:
        for _piece in range(36):
            file.write(random.Random(1).randbytes(10 * MIB))
    with pytest.raises(XfsError, match="does not fit"):
        make(tmp_path / "image", root, "v5", 400 * MIB)


def test_the_size_that_is_planned_is_enough(folder: Path, tmp_path: Path) -> None:
    from imagebuild.filesystems.table import capacity_bytes

    used = [(Path(top) / name).lstat() for top, folders, files in os.walk(folder) for name in (*folders, *files)]
    content = sum(-(-status.st_size // 4096) * 4096 for status in used)
    with (folder / "filler").open("wb") as file:
        room = capacity_bytes("xfs", 330 * MIB, len(used)) - content
        file.write(random.Random(2).randbytes(room))
    make(tmp_path / "image", folder, "v5", 330 * MIB)
    check(tmp_path / "image")
    (folder / "filler").unlink()


def test_options_that_only_a_kernel_follows() -> None:
    with pytest.raises(PlanError, match="imagebuild makes only -n size=4096"):
        making(FilesystemSpec(type="xfs", mkfs=("-n size=8192",)), "disk", None)
