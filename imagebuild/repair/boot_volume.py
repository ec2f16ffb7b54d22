"""The part of the disk that the boot loader reads, as facts for a repair: what is there, and what stands in the way."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from imagebuild.bootloaders.table import LOADERS, OPAQUE, verdict_on
from imagebuild.image.boot_files import FileAt
from imagebuild.image.places import Place
from imagebuild.image.readers import ReadError
from imagebuild.image.subject import MOST_MENU_BYTES, Subject
from imagebuild.repair.facts import BootVolume
from imagebuild.verify.loader_checks import misread_by_loader
from imagebuild.verify.menu_checks import stray_configurations
from imagebuild.verify.view import View

# Where else a menu may lie: GRUB 0.97's own names for it, Red Hat's, and how a boot partition sees both.
_OTHER_NAMES = ("menu.lst", "grub.conf")
_FOLDERS = ("/boot/grub", "/grub")


def boot_volume(view: View) -> BootVolume | None:
    """The boot volume's facts; None where the loader would find no filesystem at all."""
    subject = view.subject
    place = subject.boot_place
    reader = subject.reader(place) if place else None
    if place is None or reader is None or place.contents is None or place.type in OPAQUE or place.volume:
        return None
    contents = place.contents
    rules = verdict_on(view.loader, contents)
    found = None if subject.menu_at is None else subject.menu_bytes.decode("utf-8", "surrogateescape")
    return BootVolume(
        place=place.name,
        partition=None if place.partition is None else place.partition + 1,
        offset_bytes=place.runs[0].offset_bytes,
        size_bytes=place.size_bytes,
        type=place.type,
        uuid=contents.uuid,
        label=contents.label,
        block_bytes=contents.block_bytes,
        features=contents.features,
        refused=tuple(rule.feature for rule in rules if rule.refused),
        cautioned=tuple(rule.feature for rule in rules if not rule.refused),
        unclean=contents.unclean,
        devices=frozenset(item.name for item in subject.places if not item.volume),
        steady_names=_steady_names(subject),
        menu_path=subject.menu_path,
        menu_text=found,
        other_menus=tuple(_other_menus(subject, place)) if found is None else (),
        misread=tuple(dict.fromkeys(at.path for at in _misread(view, place))),
        packed_otherwise=tuple(_packed_otherwise(view, place)),
        stray=tuple(stray_configurations(reader)),
        has_boot_folder="boot" in reader.names("/"),
        has_saved_default="default" in reader.names(posixpath.dirname(subject.menu_path)),
    )


def _steady_names(subject: Subject) -> dict[int, str]:
    names = {}
    for place in subject.places:
        if place.contents and place.contents.uuid and not place.volume and place.type not in OPAQUE:
            names[0 if place.partition is None else place.partition + 1] = f"UUID={place.contents.uuid}"
    return names


def _misread(view: View, place: Place) -> Iterator[FileAt]:
    """Files of that place alone: what lies elsewhere a repair of the boot volume cannot reach.

    Nothing is known of single files where the loader cannot read the filesystem at all.
    """
    is_refused = any(rule.refused for rule in verdict_on(view.loader, place.contents))
    if LOADERS[view.loader].is_grub_097 and not (is_refused and not place.type.startswith("ext")):
        yield from (at for at in misread_by_loader(view) if at.place == place)


def _packed_otherwise(view: View, place: Place) -> Iterator[str]:
    """Whole kernels of a compression that the loader does not know."""
    for file in view.files:
        facts = view.kernel_of(file.at) if file.role == "kernel" and file.at.place == place else None
        unpacked = facts is not None and LOADERS[view.loader].can_unpack(facts.compression)
        if facts and facts.format == "bzImage" and facts.complete and not unpacked:
            yield file.at.path


def _other_menus(subject: Subject, place: Place) -> Iterator[tuple[str, str]]:
    for path in (posixpath.join(folder, name) for folder in _FOLDERS for name in _OTHER_NAMES):
        try:
            content = subject.read(place, path, MOST_MENU_BYTES)
        except ReadError:
            continue
        if b"title" in content and b"\0" not in content:
            yield path, content.decode("utf-8", "surrogateescape")
