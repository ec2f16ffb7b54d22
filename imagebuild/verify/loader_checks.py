"""Checks of what the loader really reads: boot-files, loader-reads, holes."""

from __future__ import annotations

from collections.abc import Iterator

from imagebuild.bootloaders.menus.trace import End
from imagebuild.bootloaders.pv_grub import PV_GRUB
from imagebuild.bootloaders.table import LOADERS
from imagebuild.filesystems.ext_blocks import unreadable
from imagebuild.image.boot_files import FileAt, NoEntry
from imagebuild.image.readers import ReadError
from imagebuild.verify.grub_shell import GrubShell
from imagebuild.verify.view import Finding, ReachedEntry, View, failed, passed, skipped

_MOST_FINDINGS_SHOWN = 4
_EXTENTS_IN_INODE = 4


def boot_files(view: View) -> Iterator[Finding]:
    """Kernel and initrd of the entry that starts are there; what others lack is a caution."""
    if not view.entries:
        yield skipped("there is no entry")
    for reached in view.entries:
        problems = list(_missing(view, reached))
        if problems:
            yield failed(f"{reached.shown}: {'; '.join(problems)}{_goes_on(view, reached)}")
        else:
            sizes = [
                f"{at.path} ({len(view.content(at))} bytes)"
                for at in (reached.kernel, reached.initrd)
                if isinstance(at, FileAt)
            ]
            yield passed(f"{reached.shown}: {', '.join(sizes)}")


def _goes_on(view: View, reached: ReachedEntry) -> str:
    """Which entry the loader starts after it has tried this one in vain; empty where none is, or it never tries it."""
    trace = view.trace
    if not view.is_beside or trace is None or trace.started is None:
        return ""
    if not any(run.end is End.FAILS and trace.entries[run.entry].ordinal == reached.number for run in trace.runs):
        return ""
    return f"; the loader continues with the fallback entry {trace.started.entry} ({trace.started.title})"


def _missing(view: View, reached: ReachedEntry) -> Iterator[str]:
    for at in (reached.kernel, reached.initrd):
        if isinstance(at, NoEntry):
            yield at.reason
        elif at is not None:
            try:
                if not view.content(at):
                    yield f"{at.place.name}: {at.path} is empty"
            except ReadError as error:
                number = {"missing": "Error 15: File not found: ", "not a file": "Error 2: Bad file type: "}
                yield f"{number.get(error.kind, '')}{at.place.name}: {error}"


def _read_by_loader(view: View) -> list[tuple[FileAt, str]]:
    """Menu, kernels and initrds, with a word for each."""
    menu_at = view.subject.menu_at
    place = view.subject.boot_place
    files = [(FileAt(place, menu_at.path), "menu")] if menu_at and place and not view.is_beside else []
    return [*files, *((file.at, file.role) for file in view.own_files)]


def loader_reads(view: View) -> Iterator[Finding]:
    """GRUB 0.97's own shell reads menu, kernels and initrds to the last byte as an independent reader sees them."""
    if not LOADERS[view.loader].is_grub_097:
        yield skipped(f"the requested loader is {view.loader}, not GRUB 0.97")
        return
    files = _read_by_loader(view)
    if not files:
        yield skipped("there is no file that the loader would read")
    shell = GrubShell(view.subject)
    for at, role in files:
        yield _compared(view, shell, at, role)


def _compared(view: View, shell: GrubShell, at: FileAt, role: str) -> Finding:
    reader = view.subject.reader(at.place)
    shown = f"{role} {at.place.name}{at.path}"
    try:
        content = view.content(at)
    except ReadError as error:
        return skipped(f"{shown}: {error}")
    assert reader is not None
    if at.place.type not in PV_GRUB.reads:
        return skipped(f"{shown}: GRUB 0.97 cannot read {at.place.type}; the witness is {reader.witness} alone")
    inode = reader.inode(at.path)
    slow = inode is not None and inode.blocks.extents and len(inode.blocks.runs) > _EXTENTS_IN_INODE
    reading = shell.compare(at.place, at.path, content, slow=slow)
    if reading.problem:
        causes = _unreadable_blocks(view, at)
        cause = f" ({'; '.join(causes)})" if causes else ""
        return failed(f"{shown}: GRUB 0.97 reads it incorrectly: {reading.problem}{cause}")
    if reading.unfinished:
        part = f"{reading.size_bytes} of {len(content)} bytes"
        return skipped(f"{shown}: GRUB 0.97's shell reached its time limit after it had read {part}, all of them right")
    return passed(f"{shown}: GRUB 0.97 and {reader.witness} read the same {reading.size_bytes} bytes")


def holes(view: View) -> Iterator[Finding]:
    """No file that the loader reads has a hole or an unwritten stretch in its extents."""
    if not LOADERS[view.loader].is_grub_097:
        yield skipped(f"the requested loader is {view.loader}, which reads holes correctly")
        return
    files = _read_by_loader(view)
    if not files:
        yield skipped("there is no file that the loader would read")
    for at, role in files:
        reader = view.subject.reader(at.place)
        inode = reader.inode(at.path) if reader else None
        shown = f"{role} {at.place.name}{at.path}"
        if inode is None:
            yield skipped(f"{shown}: no extent map of {at.place.type} is read here")
        elif found := _unreadable_blocks(view, at):
            yield failed(f"{shown}: {'; '.join(found)}: GRUB 0.97 reports Error 16 or reads the block after it")
        elif inode.inline:
            yield failed(f"{shown}: it is inside its inode (inline_data), where GRUB 0.97 does not look")
        else:
            kind = "extents without holes" if inode.blocks.extents else "a block map"
            yield passed(f"{shown}: {kind}")


def _unreadable_blocks(view: View, at: FileAt) -> list[str]:
    reader = view.subject.reader(at.place)
    inode = reader.inode(at.path) if reader else None
    if inode is None or at.place.contents is None or not at.place.contents.block_bytes:
        return []
    found = unreadable(inode.blocks, inode.size_bytes, at.place.contents.block_bytes)
    rest = len(found) - _MOST_FINDINGS_SHOWN
    return found if rest <= 0 else [*found[:_MOST_FINDINGS_SHOWN], f"and {rest} more"]


def misread_by_loader(view: View) -> Iterator[FileAt]:
    """Files whose content GRUB 0.97 would not read as it is: by their extents, or else (no map) by its own shell."""
    shell = GrubShell(view.subject)
    for at, _role in _read_by_loader(view):
        reader = view.subject.reader(at.place)
        inode = reader.inode(at.path) if reader else None
        if inode is not None:
            if inode.inline or _unreadable_blocks(view, at):
                yield at
        elif at.place.type in PV_GRUB.reads:
            try:
                content = view.content(at)
            except ReadError:
                continue
            if shell.compare(at.place, at.path, content).problem:
                yield at
