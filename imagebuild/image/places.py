"""The parts of an image that can hold a filesystem: the whole disk, its partitions, the logical volumes on them.

Read by sfdisk and by our own eyes on superblocks and LVM metadata; nothing is mounted and nothing is written.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

from imagebuild.filesystems.table import identify
from imagebuild.formats import lvm
from imagebuild.formats.partition_table import odd_flags
from imagebuild.formats.superblocks import PROBE_BYTES, Superblock
from imagebuild.host.sparse import data_extents, read_extent
from imagebuild.image.witness import WitnessError, ask

_SECTOR = 512
_COPY_BYTES = 8 * 2**20


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of the image."""

    offset_bytes: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Place:
    """A part of the image: `name` as GRUB 0.97 says it (`(hd0)`, `(hd0,0)`), or `/dev/GROUP/VOLUME`.

    `partition` counts from 0 and is None for the whole disk and for volumes. `runs` is where it lies, empty when it
    is no plain stretch (a striped volume). `contents` is None when nothing was recognised there. `grub2` is its name
    for grub-fstest. `partuuid` and `partlabel` as in `root=PARTUUID=`, empty where there is none.
    """

    name: str
    partition: int | None
    size_bytes: int
    runs: tuple[Run, ...]
    contents: Superblock | None
    grub2: str
    partuuid: str = ""
    volume: tuple[str, str] | None = None
    partlabel: str = ""

    @property
    def type(self) -> str:
        return self.contents.type if self.contents else "nothing known"


@dataclass(frozen=True, slots=True)
class Partition:
    """One line of the partition table. `number` counts from 1, as sfdisk and Linux do; `label` is GPT's name for it."""

    number: int
    start_sector: int
    sectors: int
    type: str
    partuuid: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """`label` is sfdisk's: dos or gpt (or what else it knows). `odd_flags`: why Linux does not believe an MBR."""

    label: str
    partitions: tuple[Partition, ...]
    odd_flags: tuple[int, ...] = ()


def read_table(raw: Path) -> Table | None:
    """The partition table as sfdisk reads it; None when there is none. Raises WitnessError."""
    looked = ask(["sfdisk", "--json", raw.name], name="sfdisk", answers=(0, 1), folder=raw.parent)
    output = looked.text
    begin, end = output.find("{"), output.rfind("}")
    if looked.exit_code == 0 and end < 0:
        raise WitnessError(f"sfdisk could not be heard: it ended with 0 and said {looked.last_words(200) or 'nothing'}")
    try:
        table = json.loads(output[begin : end + 1])["partitiontable"]
        partitions = [_partition(table, item) for item in table.get("partitions", [])]
    except (ValueError, KeyError, TypeError):
        return None
    return Table(table["label"], tuple(sorted(partitions, key=lambda item: item.number)))


def _partition(table: dict[str, str], item: dict[str, str]) -> Partition:
    digits = item["node"][len(item["node"].rstrip("0123456789")) :]
    number = int(digits)
    partuuid = item.get("uuid", "").lower()
    if table["label"] == "dos":
        partuuid = f"{int(table['id'], 16):08x}-{number:02x}"
    scale = int(table.get("sectorsize", _SECTOR)) // _SECTOR
    start, size = int(item["start"]) * scale, int(item["size"]) * scale
    return Partition(number, start, size, item.get("type", ""), partuuid, item.get("name", ""))


def look_at_disk(raw: Path) -> tuple[Table | None, tuple[Place, ...]]:
    """The partition table and the places: the whole disk or its partitions, and the volumes on them.

    Where a filesystem begins with the disk, a boot sector of its own in front of it (FAT's, extlinux', GRUB's) is no
    table, though sfdisk takes it for one: Linux believes none with other flags than 00 and 80, and drops partitions
    that begin behind the disk's end.
    """
    table = read_table(raw)
    with raw.open("rb") as image:
        size_bytes = raw.stat().st_size
        whole = _place(image.fileno(), "(hd0)", None, Run(0, size_bytes), "(loop0)")
        if table is not None and table.label == "dos":
            table = replace(table, odd_flags=tuple(odd_flags(_read(image.fileno(), (Run(0, _SECTOR),), _SECTOR))))
        if table is None or (whole.contents and not _is_believed(table, size_bytes)):
            table, areas = None, [whole]
        else:
            areas = [_partition_place(image.fileno(), table, item) for item in table.partitions]
        return table, (*areas, *_volumes(image.fileno(), areas))


def _is_believed(table: Table, size_bytes: int) -> bool:
    return not table.odd_flags and any(
        0 < item.start_sector * _SECTOR < size_bytes and item.sectors for item in table.partitions
    )


def _partition_place(handle: int, table: Table, item: Partition) -> Place:
    word = {"dos": "msdos"}.get(table.label, table.label)
    run = Run(item.start_sector * _SECTOR, item.sectors * _SECTOR)
    place = _place(handle, f"(hd0,{item.number - 1})", item.number - 1, run, f"(loop0,{word}{item.number})")
    return replace(place, partuuid=item.partuuid, partlabel=item.label)


def _place(handle: int, name: str, partition: int | None, run: Run, grub2: str) -> Place:
    contents = identify(_read(handle, (run,), PROBE_BYTES))
    return Place(name, partition, run.size_bytes, (run,), contents, grub2)


def _volumes(handle: int, areas: list[Place]) -> list[Place]:
    groups: dict[str, lvm.Group] = {}
    starts: dict[str, int] = {}
    for area in areas:
        if area.contents and area.contents.type == "LVM2_member":
            starts[area.contents.uuid] = area.runs[0].offset_bytes
            if group := lvm.read_group(_read(handle, area.runs, lvm.PROBE_BYTES)):
                groups.setdefault(group.name, group)
    return [_volume(handle, group.name, volume, starts) for group in groups.values() for volume in group.volumes]


def _volume(handle: int, group: str, volume: lvm.Volume, starts: dict[str, int]) -> Place:
    runs: tuple[Run, ...] = ()
    pieces = volume.pieces or ()
    if pieces and all(piece.pv_uuid in starts for piece in pieces):
        runs = tuple(Run(starts[piece.pv_uuid] + piece.offset_bytes, piece.size_bytes) for piece in pieces)
    contents = identify(_read(handle, runs, PROBE_BYTES)) if runs else None
    grub2 = f"(lvm/{_doubled(group)}-{_doubled(volume.name)})"
    name = f"/dev/{group}/{volume.name}"
    return Place(name, None, volume.size_bytes, runs, contents, grub2, volume=(group, volume.name))


def _doubled(name: str) -> str:
    """Device mapper's spelling: a dash in a name is doubled (lvm(8), "dm names")."""
    return name.replace("-", "--")


def mapper_name(group: str, volume: str) -> str:
    return f"/dev/mapper/{_doubled(group)}-{_doubled(volume)}"


def _read(handle: int, runs: tuple[Run, ...], size_bytes: int) -> bytes:
    """The first `size_bytes` of the stretches, one after the other."""
    content = bytearray()
    for run in runs:
        wanted = min(run.size_bytes, size_bytes - len(content))
        if wanted > 0:
            content += os.pread(handle, wanted, run.offset_bytes)
    return bytes(content)


def copy_out(raw: Path, place: Place, target: Path) -> Path:
    """Copy the place into a file of its own, with holes where the image has holes or zeros."""
    with raw.open("rb") as source, target.open("wb") as copy:
        base = 0
        for run in place.runs:
            for extent in data_extents(source.fileno(), run.offset_bytes, run.offset_bytes + run.size_bytes):
                position = base + extent.start - run.offset_bytes
                for content in read_extent(source.fileno(), extent, _COPY_BYTES):
                    if content.count(0) != len(content):
                        os.pwrite(copy.fileno(), content, position)
                    position += len(content)
            base += run.size_bytes
        copy.truncate(base)
    return target
