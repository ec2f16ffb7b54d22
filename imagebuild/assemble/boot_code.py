"""Boot code put into an image: GRUB's for a PC's BIOS, and FAT with GRUB's for UEFI. As any user, without mounting."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path, PurePosixPath

from imagebuild.errors import BuildError
from imagebuild.events import Progress
from imagebuild.formats.grub_boot import SECTOR_BYTES, first_sector, placed_core
from imagebuild.host import command
from imagebuild.host.sparse import data_extents, read_extent
from imagebuild.plan.disk_vocabulary import FatFile, MakeFat, WriteBootCode
from imagebuild.plan.facts import BootCodeFile

_FAT_LABEL = "ESP"
_COPY_BYTES = 2**20


def write_boot_code(step: WriteBootCode, image: Path, directory: Path | None) -> None:
    """Raises BuildError where a file is not the planned one, or does not fit."""
    first, core = _content(step.first, directory), placed_core(_content(step.core, directory), step.start_sector)
    if len(core) > step.most_sectors * SECTOR_BYTES:
        raise BuildError(f"GRUB's core has {len(core)} bytes, more than the {step.most_sectors} sectors of its place")
    with image.open("r+b") as file:
        table = file.read(SECTOR_BYTES)
        file.seek(0)
        file.write(first_sector(first, table, step.start_sector))
        file.seek(step.start_sector * SECTOR_BYTES)
        file.write(core)


def make_fat(step: MakeFat, image: Path, scratch: Path, directory: Path | None, epoch: int, progress: Progress) -> None:
    """mkfs.fat and mtools know offsets in a file, but would fill it from there to its end: so it is made beside it.

    Both take times from SOURCE_DATE_EPOCH, in UTC. Raises BuildError, HostError.
    """
    area = scratch / "fat"
    with area.open("wb") as file:
        file.truncate(step.where.size_bytes)
    times = {"SOURCE_DATE_EPOCH": str(epoch), "TZ": "UTC", "MTOOLS_SKIP_CHECK": "1"}
    command.require("mkfs.fat", "dosfstools")
    argv = ["mkfs.fat", *step.options, "-i", step.uuid.replace("-", ""), "-n", (step.label or _FAT_LABEL).upper()]
    command.run([*argv, str(area)], doing="making FAT", environment=times, log=progress.log)
    if step.files:
        command.require("mcopy", "mtools")
    made: set[str] = set()
    for item in step.files:
        _put(item, area, scratch, _content(item.file, directory), times, made)
    _bring(area, image, step.where.runs[0].offset_bytes)
    area.unlink()


def _put(item: FatFile, area: Path, scratch: Path, content: bytes, times: dict[str, str], made: set[str]) -> None:
    path = PurePosixPath(item.path)
    for parent in reversed(path.parents[:-1]):
        if str(parent) not in made:
            made.add(str(parent))
            command.run(["mmd", "-i", str(area), f"::/{parent}"], doing="making a directory on FAT", environment=times)
    source = scratch / "fat-file"
    source.write_bytes(content)
    moment = int(times["SOURCE_DATE_EPOCH"])
    os.utime(source, (moment, moment))
    command.run(
        ["mcopy", "-m", "-i", str(area), str(source), f"::/{path}"], doing="writing a file on FAT", environment=times
    )
    source.unlink()


def _bring(area: Path, image: Path, offset_bytes: int) -> None:
    """Its data to its place in the image; zeros stay holes."""
    with area.open("rb") as source, image.open("r+b") as target:
        for extent in data_extents(source.fileno()):
            position = offset_bytes + extent.start
            for piece in read_extent(source.fileno(), extent, _COPY_BYTES):
                if piece.count(0) != len(piece):
                    os.pwrite(target.fileno(), piece, position)
                position += len(piece)


def _content(file: BootCodeFile, directory: Path | None) -> bytes:
    assert directory is not None, "a plan with boot code is made with the facts of its packages"
    content = (directory / file.platform / file.name).read_bytes()
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise BuildError(
            f"{file.name} of {file.package} is not the file that was planned with",
            resolution="build again: the cache changed meanwhile",
        )
    return content
