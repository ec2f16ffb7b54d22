"""What an image is like, as far as a recipe can say it: partitions, filesystems, volumes, menu."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast, get_args

from imagebuild.diff.take import mounts_of_subject
from imagebuild.errors import VerifyError
from imagebuild.image.menu_runs import started_entry, trace_of
from imagebuild.recipe.starter import FoundFilesystem, FoundImage
from imagebuild.vocabulary import USUAL_ROOT, FilesystemType

if TYPE_CHECKING:
    from imagebuild.bootloaders.menu import Menu
    from imagebuild.image.places import Place
    from imagebuild.image.subject import Subject


def found_in(subject: Subject, image: str) -> FoundImage:
    """The facts of an open image; `image` is its path as the recipe will say it. Raises VerifyError."""
    mounts = mounts_of_subject(subject)
    partitions = _partitions(subject, mounts)
    if not partitions:
        raise VerifyError(f"{subject.image} has no filesystem that a recipe can make",
                          resolution=f"found: {', '.join(place.type for place in subject.places)}")  # fmt: skip
    table = {"dos": "mbr", "gpt": "gpt"}.get(subject.table.label) if subject.table else None
    menu = subject.menu
    return FoundImage(
        name=re.sub(r"[^A-Za-z0-9._-]+", "-", subject.image.stem).strip("-._")[:64] or "my-image",
        image=image,
        size=_size(subject.size_bytes),
        table=cast(Any, table),
        partitions=(*partitions[:-1], replace(partitions[-1], size="rest")),
        groups=_groups(subject, mounts),
        timeout=min(menu.timeout, 3600) if menu and menu.timeout is not None else None,
        command_line=_command_line(subject, menu) if menu else None,
    )


def _partitions(subject: Subject, mounts: dict[str, str]) -> list[FoundFilesystem]:
    partitions, group_of = [], _groups_of(subject)
    for place in subject.places:
        if place.volume:
            continue
        if place.type == "LVM2_member":
            group = group_of.get(place.name, "vg0")
            partitions.append(FoundFilesystem(USUAL_ROOT, _size(place.size_bytes), None, group=group))
        elif part := _filesystem(place, mounts):
            partitions.append(part)
    return partitions


def _groups(subject: Subject, mounts: dict[str, str]) -> tuple[tuple[str, tuple[FoundFilesystem, ...]], ...]:
    groups: dict[str, list[FoundFilesystem]] = {}
    for place in subject.places:
        if place.volume and (part := _filesystem(place, mounts)):
            groups.setdefault(place.volume[0], []).append(replace(part, name=place.volume[1]))
    return tuple((name, tuple(_with_rest(parts))) for name, parts in groups.items())


def _command_line(subject: Subject, menu: Menu) -> str | None:
    """The entry's that GRUB 0.97 starts, or tries first, without its root=; None: nothing else is in it."""
    trace = trace_of(subject, "grub-0.97")
    if trace is None or trace.default is None or not menu.entries:
        return None
    started = started_entry(trace)
    number = trace.entries[trace.default].ordinal if started is None else started
    arguments = [word for word in menu.entries[number].arguments.split() if not word.startswith("root=")]
    return " ".join(arguments) or None


def _with_rest(parts: list[FoundFilesystem]) -> list[FoundFilesystem]:
    """The largest volume takes what is left, so that rounding does no harm."""
    sizes = [int(part.size.removesuffix("MiB").removesuffix("KiB")) for part in parts]
    largest = sizes.index(max(sizes))
    return [replace(part, size="rest") if number == largest else part for number, part in enumerate(parts)]


def _filesystem(place: Place, mounts: dict[str, str]) -> FoundFilesystem | None:
    if place.contents is None or place.contents.type not in get_args(FilesystemType):
        return None
    label = place.contents.label if re.fullmatch(r"[A-Za-z0-9_.-]*", place.contents.label) else ""
    mount = mounts.get(place.name)
    if place.type != "swap" and mount is None:
        mount = "/" if not mounts else f"/mnt/{place.name.strip('()').replace(',', '-').replace('/', '-')}"
    return FoundFilesystem(
        cast(Any, place.type), _size(place.size_bytes), None if place.type == "swap" else mount, label
    )


def _groups_of(subject: Subject) -> dict[str, str]:
    """Which volume group each physical volume belongs to: the one whose volumes lie in it."""
    found = {}
    for place in subject.places:
        if place.type == "LVM2_member" and place.runs:
            begin, end = place.runs[0].offset_bytes, place.runs[0].offset_bytes + place.size_bytes
            for volume in subject.places:
                if volume.volume and any(begin <= run.offset_bytes < end for run in volume.runs):
                    found[place.name] = volume.volume[0]
    return found


def _size(count_bytes: int) -> str:
    """As a recipe says it: whole MiB, else KiB."""
    return f"{count_bytes // 2**20}MiB" if count_bytes % 2**20 == 0 else f"{count_bytes // 1024}KiB"
