"""Which AKI (Amazon Kernel Image) starts which image. The ids are data: aki.toml, each with its version and source.

Rules (EC2 User Guide, PV-GRUB): the AKI's architecture is the kernel's; up to 1.03 hd0 is for images without a
partition table and hd00 for images with one, and no GPT is read; from 1.04 the hd0 loader finds the menu on a partition
too, and new images are to be registered with it; an ARI (a ramdisk id) is never given together with PV-GRUB.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from imagebuild.errors import PublishError
from imagebuild.formats.first_sectors import TableKind
from imagebuild.vocabulary import Architecture, Layout

_NAME = re.compile(r"pv-grub-(?P<layout>hd00?)_(?P<version>\d+\.\d+)-(?P<architecture>i386|x86_64)\.gz")
NAMES = "pv-grub-*.gz"
FROM_AWS = "DescribeImages"


@dataclass(frozen=True, slots=True)
class Aki:
    """One id. `source` is a key of aki.toml's sources, or `DescribeImages`."""

    id: str
    version: str
    region: str
    layout: Layout
    architecture: Architecture
    source: str

    @property
    def name(self) -> str:
        """As Amazon names it."""
        return f"pv-grub-{self.layout}_{self.version}-{self.architecture}.gz"


@dataclass(frozen=True, slots=True)
class ImageKind:
    """What matters about an image when an AKI is chosen: its partition table, and the architecture of its kernel."""

    table: TableKind
    architecture: Architecture

    @property
    def layout(self) -> Layout:
        return "hd0" if self.table == "none" else "hd00"

    def __str__(self) -> str:
        table = {"none": "no partition table", "mbr": "an MBR partition table", "gpt": "a GPT"}[self.table]
        return f"{table}, {self.architecture} kernel"


@dataclass(frozen=True, slots=True)
class Choice:
    aki: Aki
    reason: str


@lru_cache(maxsize=1)
def _file() -> dict[str, Any]:
    return tomllib.loads(files("imagebuild.publish.ec2").joinpath("aki.toml").read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def table() -> tuple[Aki, ...]:
    """Every id of aki.toml, sorted by version, region, layout, architecture."""
    return tuple(Aki(**row) for row in _file()["akis"]["rows"])


def sources() -> dict[str, str]:
    """What the `source` of a row means."""
    return dict(_file()["sources"])


def regions(rows: Iterable[Aki] | None = None) -> list[str]:
    return sorted({row.region for row in (table() if rows is None else rows)})


def listed(
    rows: Iterable[Aki],
    *,
    region: str | None = None,
    architecture: str | None = None,
    layout: str | None = None,
    version: str | None = None,
) -> list[Aki]:
    """The rows that match; what is None matches all."""
    wanted = {"region": region, "architecture": architecture, "layout": layout, "version": version}
    return [row for row in rows if all(value in (None, getattr(row, key)) for key, value in wanted.items())]


def from_description(image: dict[str, Any], region: str) -> Aki | None:
    """The row for one image of DescribeImages' answer; None when its name is not that of a PV-GRUB."""
    name = str(image.get("Name") or image.get("ImageLocation", "").rpartition("/")[2])
    match = _NAME.fullmatch(name.removesuffix(".manifest.xml"))
    if match is None:
        return None
    layout: Layout = "hd00" if match["layout"] == "hd00" else "hd0"
    architecture: Architecture = "x86_64" if match["architecture"] == "x86_64" else "i386"
    return Aki(image["ImageId"], match["version"], region, layout, architecture, FROM_AWS)


def choose(
    kind: ImageKind,
    region: str,
    *,
    version: str | None = None,
    layout: str | None = None,
    rows: Sequence[Aki] | None = None,
) -> Choice:
    """The newest AKI that starts an image of this kind in `region`; hd0 before hd00 where both would.

    Raises PublishError when there is none: an unknown region, or no AKI of that `version` and `layout` fits.
    """
    known = table() if rows is None else rows
    here = _in_region(known, region)
    candidates = listed(here, layout=layout, version=version)
    fitting = [row for row in candidates if reason_against(row, kind) is None]
    if not fitting:
        raise _no_aki(kind, region, here, candidates)
    best = max(fitting, key=_preference)
    return Choice(best, _reason_for(best, kind))


def check(aki_id: str, kind: ImageKind, region: str, *, rows: Sequence[Aki] | None = None) -> Aki:
    """The row of `aki_id`, if it starts an image of this kind in `region`.

    Raises PublishError with the reason and the right id otherwise.
    """
    known = table() if rows is None else rows
    here = _in_region(known, region)
    found = next((row for row in known if row.id == aki_id and row.region == region), None)
    if found is None:
        elsewhere = next((row for row in known if row.id == aki_id), None)
        raise PublishError(
            f"{aki_id} is {elsewhere.name} of {elsewhere.region}, the image goes to {region}"
            if elsewhere
            else f"{aki_id} is not known as a PV-GRUB of {region}",
            details="an AKI id is valid in its own region only",
            resolution=_right_id(kind, region, here) or "ask AWS for its ids with --ask-aws",
        )
    if reason := reason_against(found, kind):
        raise PublishError(
            f"{found.id} ({found.name}) cannot start this image: {reason}",
            details=f"the image has {kind}",
            resolution=_right_id(kind, region, here),
        )
    return found


def refuse_ramdisk(ramdisk_id: str | None) -> None:
    """Raises PublishError when an ARI is given."""
    if ramdisk_id:
        raise PublishError(
            f"a ramdisk ({ramdisk_id}) must not be given together with a PV-GRUB AKI",
            details="PV-GRUB takes the initrd from the image itself, as its menu.lst says",
            resolution="omit the ramdisk id",
        )


def reason_against(aki: Aki, kind: ImageKind) -> str | None:
    """Why this AKI cannot start such an image, or None."""
    abilities = _file()["versions"].get(aki.version)
    if aki.architecture != kind.architecture:
        return f"a {aki.architecture} PV-GRUB cannot start {_an(kind.architecture)} kernel"
    if kind.table == "none" and aki.layout == "hd00":
        return "hd00 looks for the menu on the first partition, and the image has no partition table"
    if abilities is None:  # newer than the table: it can do what its predecessor can
        abilities = {"gpt": True, "searches": True}
    if kind.table == "gpt" and not abilities["gpt"]:
        return f"PV-GRUB {aki.version} cannot read a GPT (1.04 and later can)"
    if kind.table != "none" and aki.layout == "hd0" and not abilities["searches"]:
        return f"hd0 of {aki.version} looks for the menu only on the whole disk, but the image has a partition table"
    return None


def _an(architecture: str) -> str:
    return f"an {architecture}"


def _preference(aki: Aki) -> tuple[tuple[int, ...], bool]:
    return tuple(int(part) for part in aki.version.split(".")), aki.layout == "hd0"


def _in_region(rows: Sequence[Aki], region: str) -> list[Aki]:
    here = listed(rows, region=region)
    if not here:
        raise PublishError(
            f"no AKI is known for the region {region}",
            details=f"known regions: {', '.join(regions(table()))}",
            resolution="choose one of these regions, or ask AWS with --ask-aws",
        )
    return here


def _reason_for(aki: Aki, kind: ImageKind) -> str:
    if kind.table == "none":
        return f"the image has {kind}: hd0"
    if aki.layout == "hd0":
        return f"the image has {kind}: from 1.04 hd0 finds the menu on the first partition too"
    return f"the image has {kind}: hd00"


def _right_id(kind: ImageKind, region: str, here: Sequence[Aki]) -> str:
    fitting = [row for row in here if reason_against(row, kind) is None]
    if not fitting:
        return ""
    best = max(fitting, key=_preference)
    return f"use {best.id} ({best.name}) in {region}"


def _no_aki(kind: ImageKind, region: str, here: Sequence[Aki], candidates: Sequence[Aki]) -> PublishError:
    reasons = [f"{row.id} ({row.name}): {reason_against(row, kind)}" for row in candidates]
    if not reasons:
        found = sorted({f"{row.layout} {row.version} {row.architecture}" for row in here})
        reasons = [f"known in {region}: {', '.join(found)}"]
    return PublishError(
        f"no AKI in {region} starts this image with these options ({kind})",
        details="\n".join(reasons),
        resolution=_right_id(kind, region, here) or "choose another region, or ask AWS with --ask-aws",
    )
