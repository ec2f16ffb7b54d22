"""What is in an image, as data: disk, filesystems, volumes, menu, kernels and initrds, loaders, findings.

    with open_subject(image, tools, scratch) as subject: inspect_subject(subject, progress)

`imagebuild inspect --json` is `Inspection` as JSON: its fields change only by addition. Names in it come out of the
image as they are: whoever shows them makes them harmless.
"""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict

from imagebuild.bootloaders.menu import MenuEntry
from imagebuild.bootloaders.menu_choice import LOADERS, choice, differences
from imagebuild.events import Progress
from imagebuild.formats.initrd import InitrdError
from imagebuild.formats.kernel_file import unwrap
from imagebuild.formats.superblocks import Superblock
from imagebuild.image.boot_files import FileAt, NoEntry, locate
from imagebuild.image.places import Place, Table
from imagebuild.image.raw_view import format_of
from imagebuild.image.readers import ReadError
from imagebuild.image.subject import Subject
from imagebuild.report import Check
from imagebuild.verify.loader_runs import LoaderChoice, loader_choice
from imagebuild.verify.static import run_checks
from imagebuild.verify.view import View, initrd_facts
from imagebuild.vocabulary import DEFAULT_LOADER, BootLoader

_MODULES_FOLDER = re.compile(r"(?:^|/)lib/modules/([^/]+)/")


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Filesystem(_Facts):
    """`type` as blkid says it; `features` by their mke2fs names; `unclean` is why it wants a check, or empty."""

    type: str
    uuid: str
    label: str
    block_bytes: int
    features: tuple[str, ...]
    unclean: str


class Stretch(_Facts):
    """A run of bytes of the disk."""

    offset_bytes: int
    size_bytes: int


class Part(_Facts):
    """The whole disk, a partition or a logical volume. `name` as GRUB 0.97 says it, or /dev/GROUP/VOLUME.

    `stretches`: where it lies; empty for a volume that is not linear. `type_code`: the partition table's word.
    """

    kind: Literal["disk", "partition", "volume"]
    name: str
    size_bytes: int
    stretches: tuple[Stretch, ...]
    type_code: str
    partuuid: str
    filesystem: Filesystem | None


class Kernel(_Facts):
    """`protocol`: of the Linux boot protocol, such as 2.15. `complete` False: the file ends before its payload."""

    format: Literal["bzImage", "ELF"]
    release: str
    architecture: Literal["x86_64", "i386"]
    protocol: str
    compression: str
    complete: bool


class Initrd(_Facts):
    """`compressions`: of each archive in it, in order. `releases`: of the kernels that its modules are for."""

    compressions: tuple[str, ...]
    files: int
    releases: tuple[str, ...]


class BootFile(_Facts):
    """A file that an entry names. `written`: as the menu says it. `problem`: why it is not there, or not what it
    should be; empty when it is."""

    written: str
    place: str = ""
    path: str = ""
    size_bytes: int = 0
    problem: str = ""
    kernel: Kernel | None = None
    initrd: Initrd | None = None


class Entry(_Facts):
    """`role`: `default` or `fallback` for GRUB 0.97, else empty. `others`: lines without a field of their own."""

    number: int
    title: str
    role: str
    root: str | None
    kernel: BootFile | None
    arguments: str
    initrd: BootFile | None
    others: tuple[str, ...]


class Menu(_Facts):
    """`default` and `timeout` None: not set. `others`: the head's lines without a field of their own."""

    place: str
    path: str
    default: int | Literal["saved"] | None
    timeout: int | None
    fallback: tuple[int, ...]
    entries: tuple[Entry, ...]
    others: tuple[str, ...]


class Inspection(_Facts):
    """`table`: dos or gpt; None where there is none (layout hd0). `differences`: one line for each loader where they
    do not agree. `findings`: what the static checks said, by the rules of `loader`."""

    image: str
    format: Literal["raw", "qcow2"]
    size_bytes: int
    layout: Literal["hd0", "hd00"]
    table: str | None
    parts: tuple[Part, ...]
    menu: Menu | None
    menu_problem: str
    loader: BootLoader
    choices: tuple[LoaderChoice, ...]
    differences: tuple[str, ...]
    findings: tuple[Check, ...]


def inspect_subject(subject: Subject, progress: Progress, loader: BootLoader = DEFAULT_LOADER) -> Inspection:
    """All that can be seen without a boot. Raises HostError when a program is missing."""
    view = View(subject, loader)
    menu = subject.menu
    return Inspection(
        image=str(subject.image),
        format=format_of(subject.image).name,
        size_bytes=subject.size_bytes,
        layout=subject.layout,
        table=subject.table.label if subject.table else None,
        parts=tuple(_part(place, subject.table) for place in subject.places),
        menu=_menu(view),
        menu_problem=subject.menu_problem,
        loader=loader,
        choices=tuple(loader_choice(subject, name, choice(menu, name)) for name in LOADERS) if menu else (),
        differences=tuple(differences(menu)) if menu else (),
        findings=run_checks(view, progress).checks,
    )


def _part(place: Place, table: Table | None) -> Part:
    number = place.partition + 1 if place.partition is not None else None
    found = [item for item in (table.partitions if table else ()) if item.number == number]
    return Part(
        kind="volume" if place.volume else "disk" if place.partition is None else "partition",
        name=place.name,
        size_bytes=place.size_bytes,
        stretches=tuple(Stretch(offset_bytes=run.offset_bytes, size_bytes=run.size_bytes) for run in place.runs),
        type_code=found[0].type if found else "",
        partuuid=place.partuuid,
        filesystem=_filesystem(place.contents) if place.contents else None,
    )


def _filesystem(contents: Superblock) -> Filesystem:
    return Filesystem(
        type=contents.type,
        uuid=contents.uuid,
        label=contents.label,
        block_bytes=contents.block_bytes,
        features=tuple(sorted(contents.features)),
        unclean=contents.unclean,
    )


def _menu(view: View) -> Menu | None:
    menu, at = view.subject.menu, view.subject.menu_at
    if menu is None or at is None:
        return None
    return Menu(
        place=at.place,
        path=at.path,
        default=menu.default,
        timeout=menu.timeout,
        fallback=menu.fallback,
        entries=tuple(_entry(view, number, entry) for number, entry in enumerate(menu.entries)),
        others=menu.others,
    )


def _entry(view: View, number: int, entry: MenuEntry) -> Entry:
    role = "default" if view.taken.entry == number else "fallback" if number in view.taken.fallbacks else ""
    return Entry(
        number=number,
        title=entry.title,
        role=role,
        root=entry.root,
        kernel=_kernel_file(view, entry) if entry.kernel else None,
        arguments=entry.arguments,
        initrd=_initrd_file(view, entry) if entry.initrd else None,
        others=(*(f"module {module}" for module in entry.modules), *entry.others),
    )


def _read(view: View, entry: MenuEntry, written: str) -> tuple[BootFile, bytes]:
    at = locate(view.subject, entry, written)
    if isinstance(at, NoEntry):
        return BootFile(written=written, problem=at.reason), b""
    known = BootFile(written=written, place=at.place.name, path=at.path)
    try:
        content = view.content(FileAt(at.place, at.path))
    except ReadError as error:
        return known.model_copy(update={"problem": str(error)}), b""
    return known.model_copy(update={"size_bytes": len(content), "problem": "" if content else "it is empty"}), content


def _kernel_file(view: View, entry: MenuEntry) -> BootFile:
    assert entry.kernel is not None
    file, content = _read(view, entry, entry.kernel)
    if not content:
        return file
    facts = unwrap(content)
    if facts is None:
        return file.model_copy(update={"problem": "no Linux kernel for x86 (neither bzImage nor ELF)"})
    kernel = Kernel(
        format=facts.format,
        release=facts.release,
        architecture=facts.architecture,
        protocol=".".join(map(str, facts.protocol)),
        compression=facts.compression,
        complete=facts.complete,
    )
    return file.model_copy(update={"kernel": kernel})


def _initrd_file(view: View, entry: MenuEntry) -> BootFile:
    assert entry.initrd is not None
    file, content = _read(view, entry, entry.initrd)
    if not content:
        return file
    facts = initrd_facts(content)
    if isinstance(facts, InitrdError):
        return file.model_copy(update={"problem": str(facts)})
    releases = {match[1] for name in facts.names if (match := _MODULES_FOLDER.search(name))}
    initrd = Initrd(compressions=facts.compressions, files=len(facts.names), releases=tuple(sorted(releases)))
    return file.model_copy(update={"initrd": initrd})
