"""Checks of the disk and its filesystems: partition-table, filesystem, loader-filesystem."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from imagebuild.bootloaders.table import OPAQUE, verdict_on
from imagebuild.filesystems.model import Checker
from imagebuild.filesystems.table import known
from imagebuild.formats.text import excerpt
from imagebuild.host import command
from imagebuild.image.places import Partition, Place, Table, copy_out
from imagebuild.image.probe import Looked
from imagebuild.image.witness import ask
from imagebuild.verify.view import Finding, View, failed, passed, skipped, warned

_FSCK_TIMEOUT_SECONDS = 600
_SFDISK_TIMEOUT_SECONDS = 60
_EXTENDED = ("5", "f", "85")
# The kernel uses as much swap as is there, or none, and the boot goes on; FAT's driver does not compare.
_SIZE_NOT_CHECKED = ("swap", "vfat")


def partition_table(view: View) -> Iterator[Finding]:
    """sfdisk reads and verifies the table; the boot partition comes first; nothing overlaps or leaves the disk."""
    subject = view.subject
    if subject.table is None:
        if subject.places[0].contents is None:
            yield failed("the disk has neither a partition table nor a filesystem that is known")
        else:
            yield passed(f"none: {subject.places[0].type} begins with the disk (hd0)")
        return
    problems = list(_table_problems(subject.table, subject.size_bytes))
    argv = ["sfdisk", "--verify", subject.raw.name]
    seconds = _SFDISK_TIMEOUT_SECONDS
    verified = ask(argv, name="sfdisk", answers=(0, 1), folder=subject.raw.parent, timeout_seconds=seconds)
    if verified.exit_code != 0:
        problems.append(f"sfdisk --verify: {verified.last_words()}")
    if subject.menu_at and not subject.menu_at.is_first:
        problems.append(f"the boot partition must be the first, but the menu is on {subject.menu_at.place}")
    shown = f"{subject.table.label} with {len(subject.table.partitions)} partitions (hd00)"
    if problems:
        yield failed(f"{shown}: {'; '.join(problems)}")
    elif subject.table.label == "gpt":
        yield warned(f"{shown}: GPT is read by Amazon's PV-GRUB 1.04 and later only, not by the public one")
    else:
        yield passed(shown)


def _table_problems(table: Table, size_bytes: int) -> Iterator[str]:
    if table.label not in ("dos", "gpt"):
        yield f"a partition table of the kind {excerpt(table.label)}, which PV-GRUB does not know"
    if not any(partition.number == 1 for partition in table.partitions):
        yield "there is no first partition"
    if table.odd_flags:
        found = ", ".join(f"{flag:02x}" for flag in table.odd_flags)
        yield f"flags {found}: Linux believes no table with others than 00 and 80"
    for partition in table.partitions:
        if (partition.start_sector + partition.sectors) * 512 > size_bytes:
            yield f"partition {partition.number} ends after the end of the disk"
    solid = [item for item in table.partitions if item.type not in _EXTENDED]
    ordered = sorted(solid, key=lambda item: item.start_sector)
    for left, right in itertools.pairwise(ordered):
        if _end(left) > right.start_sector:
            yield f"partitions {left.number} and {right.number} overlap"


def _end(partition: Partition) -> int:
    return partition.start_sector + partition.sectors


def filesystem(view: View) -> Iterator[Finding]:
    """Each filesystem is whole, says its own checker, which only reads.

    That one was not unmounted is a caution: the loader replays no journal, and neither does any check, so that all of
    them judge the very bytes that it will read (the genuine PV-GRUB booted such images).
    """
    found = [place for place in view.subject.places if place.contents is not None]
    if not found:
        yield failed("no filesystem was recognised anywhere in the image")
    for place in found:
        yield from _check_place(view, place)


def _check_place(view: View, place: Place) -> Iterator[Finding]:
    assert place.contents is not None
    shown = f"{place.name} {place.type}"
    if problem := _too_large(view, place):
        yield (warned if place.type in _SIZE_NOT_CHECKED else failed)(f"{shown}: {problem}")
    elif place.type == "swap":
        yield passed(f"{shown}: swap space")
    elif place.type == "LVM2_member":
        volumes = [item.name for item in view.subject.places if item.volume]
        yield passed(f"{shown}: {', '.join(volumes)}") if volumes else failed(f"{shown}: no readable LVM metadata")
    elif not place.runs:
        yield skipped(f"{shown}: it is striped over several places, and imagebuild cannot read it")
    else:
        yield _fsck(view, place, shown)


def _too_large(view: View, place: Place) -> str:
    """Whether the filesystem is larger than its place, or than what the file has of it: then Linux refuses it.

    Sources: what the kernel's fs/ does when it mounts: ext ("bad geometry"), XFS (check_sizes), Btrfs (read_one_dev),
    ReiserFS ("bigger than the device"). Checkers only warn (e2fsck ends with 0).
    """
    assert place.contents is not None
    there = sum(max(0, min(run.size_bytes, view.subject.size_bytes - run.offset_bytes)) for run in place.runs)
    if not place.runs or place.contents.size_bytes <= there:
        return ""
    return f"bad geometry: it has {place.contents.size_bytes} bytes, and its place only {there}"


def _fsck(view: View, place: Place, shown: str) -> Finding:
    filesystem = known(place.type)
    assert place.contents is not None
    assert filesystem is not None
    assert filesystem.checker is not None
    checker = filesystem.checker
    caution = ", and the loader replays no journal" if place == view.subject.boot_place else ""
    unclean = place.contents.unclean
    if "needs_recovery" in place.contents.features:  # what its journal holds would look like damage
        return warned(f"{shown}: {unclean}{caution}")
    if command.find(checker.program) is None:
        return skipped(f"{shown}: {checker.program} is not installed (Debian package {checker.package})")
    looked = _checked(view, place, checker)
    if looked.end == "output":
        return failed(f"{shown}: {checker.program} complains without an end: {looked.last_words()}")
    if looked.exit_code == 0 and unclean:
        return warned(f"{shown}: {unclean}, though {checker.program} finds nothing wrong")
    if looked.exit_code == 0:
        return passed(f"{shown}: clean ({checker.program})")
    if checker.wants_replay and checker.wants_replay in looked.text:
        return warned(f"{shown}: its log needs a replay: it was not unmounted{caution}")
    return failed(f"{shown}: {checker.program} ended with {looked.exit_code}: {looked.last_words()}")


def _checked(view: View, place: Place, checker: Checker) -> Looked:
    """In place, or on a copy: for checkers that know no offset, and for one that replays a log even when it only
    checks. Raises WitnessError."""
    raw = view.subject.raw
    answers = (0, *checker.refusals)
    if checker.knows_offset and len(place.runs) == 1:
        source = f"{raw.name}?offset={place.runs[0].offset_bytes}"
        return ask(
            [*checker.argv, source], name=checker.program, answers=answers, folder=raw.parent,
            timeout_seconds=_FSCK_TIMEOUT_SECONDS,
        )  # fmt: skip
    copy = copy_out(view.subject.raw, place, view.subject.scratch / "checked.raw")
    try:
        return ask(
            [*checker.argv, copy.name],
            name=checker.program,
            answers=answers,
            folder=copy.parent,
            timeout_seconds=_FSCK_TIMEOUT_SECONDS,
            most_file_bytes=place.size_bytes if checker.is_limited else None,
        )
    finally:
        copy.unlink(missing_ok=True)


def loader_filesystem(view: View) -> Iterator[Finding]:
    """The filesystem with menu and kernels is one that the loader can read, with its features (bootloaders/)."""
    places = {
        place.name: place for place in (view.subject.boot_place, *(file.at.place for file in view.files)) if place
    }
    if not places:
        yield failed("there is no place where the loader could look: no first partition")
    for place in places.values():
        shown = f"{place.name} {place.type}"
        rules = verdict_on(view.loader, place.contents)
        serious = [rule for rule in rules if rule.refused]
        words = "; ".join(f"{rule.feature}: {rule.reason} ({rule.source})" for rule in serious or rules)
        if serious:
            yield failed(f"{shown}, which {view.loader} cannot read: {words}")
        elif rules:
            yield warned(f"{shown}: {words}")
        elif place.type in OPAQUE:
            yield failed(f"{shown}: {view.loader} finds no filesystem here")
        else:
            yield passed(f"{shown}: nothing in it that {view.loader} cannot read")
