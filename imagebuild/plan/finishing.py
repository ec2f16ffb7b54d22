"""Which edits are done in the finished filesystems, and not in the tree that they are laid from.

Laying a filesystem from 15,000 files is the dear part of a build; a menu, a host name or a user is a few files. So the
filesystems are laid without these, kept in the cache, and each image is a copy of them that gets its few files. A
script or an initrd's tool has to see what was written before it: those edits are done in the tree, before it is laid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from imagebuild.plan.disk_vocabulary import DiskStep, MakeBtrfs, MakeExt, MakeXfs, PackTree
from imagebuild.plan.steps import (
    CopyFile,
    CopyInTree,
    Edit,
    GenerateInitrd,
    IndexModules,
    MakeFolder,
    MakeLink,
    Remove,
    RepackKernel,
    SetPassword,
    UnpackPackage,
    WriteFile,
)
from imagebuild.plan.system_vocabulary import RunScript

# These change what cannot be named beforehand, or run programs of the tree.
_IN_THE_TREE = (Remove, UnpackPackage, IndexModules, RunScript, GenerateInitrd)
_OTHERS_MAY_READ = 0o044


@dataclass(frozen=True, slots=True)
class Parted:
    """The edits before the filesystems are laid, and those after. `kept`: what the first make may go into the cache."""

    edits: tuple[Edit, ...]
    finishing: tuple[Edit, ...] = ()
    kept: bool = False


def part_edits(edits: Sequence[Edit], disk: Sequence[DiskStep]) -> Parted:
    """Part the edits where the order of their effects stays the same.

    Only ext can be finished: debugfs writes into them. While the disk is not known, nothing is parted.
    """
    laid = [step for step in disk if isinstance(step, (MakeExt, MakeBtrfs, MakeXfs, PackTree))]
    if not laid or not all(isinstance(step, MakeExt) for step in laid):
        return Parted(tuple(edits))
    last = max((number for number, edit in enumerate(edits, start=1) if isinstance(edit, _IN_THE_TREE)), default=0)
    before, after = list(edits[:last]), list(edits[last:])
    folders = [edit for edit in after if isinstance(edit, MakeFolder)]
    if any(_in_the_way(edit, folder) for edit in after for folder in folders):
        return Parted(tuple(edits))
    before += folders  # mountpoints: there has to be a folder before a filesystem can be laid without its content
    after = [edit for edit in after if not isinstance(edit, MakeFolder)]
    return Parted(tuple(before), tuple(after), kept=not any(map(_is_not_kept, before)))


def _in_the_way(edit: Edit, folder: MakeFolder) -> bool:
    """Whether what the edit writes stands where the folder is to be, or above it."""
    if not isinstance(edit, (WriteFile, CopyFile, MakeLink, CopyInTree, RepackKernel)):
        return False
    wanted = PurePosixPath(folder.path)
    return PurePosixPath(edit.path) in (wanted, *wanted.parents)


def _is_not_kept(edit: Edit) -> bool:
    """The cache never holds a secret: passwords, and files that others are not to read. What comes over the network is
    no input that a key could name.
    """
    match edit:
        case SetPassword():
            return True
        case CopyFile():
            return edit.mode & _OTHERS_MAY_READ == 0
        case RunScript():
            return edit.network
        case _:
            return False
