"""Decides what a repair does: pure, from the facts of the boot volume to steps with a reason each."""

from __future__ import annotations

from imagebuild.bootloaders.table import HIDDEN_FROM
from imagebuild.filesystems.table import FILESYSTEMS
from imagebuild.repair.facts import BootVolume
from imagebuild.repair.menu_edits import edit_menu
from imagebuild.repair.steps import (
    CheckFilesystem,
    DropFeatures,
    MakeLink,
    Remake,
    Rename,
    RepackKernel,
    Repair,
    RewriteFile,
    Step,
    WriteFile,
)
from imagebuild.vocabulary import EXT_TYPES

_REBUILD = "build a new image from this one's tree: a recipe with `rootfs: {image: …}`"
# What can be taken out of an ext filesystem where it lies, each by its tool; first those that lean on another.
_DROPPED_IN_PLACE = ("metadata_csum_seed", "orphan_file", "metadata_csum", "64bit")
# What a filesystem that is made anew keeps of its features: GRUB 0.97 reads them.
_KEPT = (
    "ext_attr", "resize_inode", "dir_index", "filetype", "sparse_super", "large_file", "has_journal", "extent",
    "flex_bg", "huge_file", "uninit_bg", "dir_nlink", "extra_isize",
)  # fmt: skip
# mke2fs cannot make these two, or they hold nothing that a remade filesystem could keep.
_BEYOND = ("journal_dev", "encrypt", "block size", "devices")
_AWAY = ".set-aside"


def decide_repair(volume: BootVolume) -> Repair:
    """All that can be done for the volume, in the order in which it must be done."""
    work = _Work()
    _filesystem(volume, work)
    _menu(volume, work)
    _files(volume, work)
    return Repair(tuple(work.steps), tuple(work.changes), tuple(work.beyond))


class _Work:
    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.changes: list[str] = []
        self.beyond: list[str] = []

    def do(self, step: Step, change: str) -> None:
        self.steps.append(step)
        self.changes.append(change)


def _filesystem(volume: BootVolume, work: _Work) -> None:
    if volume.unclean:
        work.do(
            CheckFilesystem(volume.type), f"{volume.place} was not clean ({volume.unclean}): checked, journal replayed"
        )
    unwanted = [*volume.refused, *volume.cautioned]
    hopeless = [name for name in volume.refused if name in _BEYOND]
    remade = next((item.remade for item in FILESYSTEMS.values() if item.name == volume.type), None)
    if hopeless or (volume.refused and volume.type not in EXT_TYPES and remade is None):
        names = ", ".join(hopeless or volume.refused)
        work.beyond.append(f"{volume.place} is {volume.type} with {names}, which stays unreadable: {_REBUILD}")
    elif remade is not None and volume.refused:
        words = [word.format(uuid=volume.uuid) for word in remade.make]
        step = Remake((*words, *_label(volume)), remade.mount_options)
        work.do(step, f"{volume.place} made again as {remade.title}, all files copied")
    elif any(name not in _DROPPED_IN_PLACE for name in volume.refused):
        names = ", ".join(volume.refused)
        work.do(Remake(_ext(volume)), f"{volume.place} made again without {names}, all files copied")
    elif dropped := [name for name in _DROPPED_IN_PLACE if name in unwanted]:
        work.do(DropFeatures(tuple(dropped)), f"{volume.place} without {', '.join(dropped)}: its files stay in place")


def _label(volume: BootVolume) -> tuple[str, ...]:
    return ("-L", volume.label) if volume.label else ()


def _ext(volume: BootVolume) -> tuple[str, ...]:
    features = ",".join(("none", *(name for name in _KEPT if name in volume.features)))
    shape = ("-t", volume.type, "-b", str(volume.block_bytes), "-I", "256", "-O", features)
    return ("mke2fs", "-q", "-F", *shape, "-U", volume.uuid, *_label(volume))


def _menu(volume: BootVolume, work: _Work) -> None:
    text = volume.menu_text
    if text is None and not volume.other_menus:
        work.beyond.append(f"there is no menu.lst, nor anything that could become one: {_REBUILD}")
        return
    if text is None:
        path, text = volume.other_menus[0]
        change = f"{volume.menu_path}: written again from {path}, a regular file in place of what could not be read"
    else:
        change = ""
    can_save = volume.has_saved_default
    edited = edit_menu(text, volume.place, volume.devices, volume.steady_names, can_save=can_save)
    if edited.changes or change:
        work.steps.append(WriteFile(volume.menu_path, edited.text))
        work.changes += [change] if change else []
        work.changes += [f"{volume.menu_path}: {item}" for item in edited.changes]


def _files(volume: BootVolume, work: _Work) -> None:
    if not volume.has_boot_folder:
        work.do(
            MakeLink("/boot", "."), "/boot -> . in the boot volume: PV-GRUB 1.03 looks for /boot/grub/menu.lst there"
        )
    written = [step.path for step in work.steps if isinstance(step, WriteFile)]
    for path in volume.packed_otherwise:
        work.do(
            RepackKernel(path), f"{path}: a second payload, packed with gzip, for a loader that cannot unpack its own"
        )
    for path in volume.misread:
        if path not in (*written, *volume.packed_otherwise):
            work.do(RewriteFile(path), f"{path}: rewritten without holes, the same content")
    for path in volume.stray:
        name = f"{path}{_AWAY}"
        work.do(Rename(path, name), f"{path} is now {name}: it hid menu.lst from {HIDDEN_FROM}")
