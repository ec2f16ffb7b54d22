"""Which edits are done in the finished filesystems, and not in the tree that populates them.

Populating a filesystem with 15,000 files is the dear part of a build; a menu, a host name or a user is a few files. So
the filesystems are populated without these and cached, and each image is a copy of them that gets its few files. A
script or an initrd's tool has to see what was written before it: those edits are done in the tree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import assert_never

from imagebuild.plan.disk_vocabulary import DiskStep, MakeExt, phases_of
from imagebuild.plan.steps import (
    CopyFile,
    CopyInTree,
    Edit,
    FinishingEdit,
    GenerateInitrd,
    IndexModules,
    MakeDirectory,
    MakeLink,
    Remove,
    RepackKernel,
    SetPassword,
    UnpackPackage,
    WriteFile,
    WriteSecret,
)
from imagebuild.plan.system_vocabulary import AddUser, AuthorizeKeys, JoinGroups, RemoveTraces, RunScript

_OTHERS_MAY_READ = 0o044


@dataclass(frozen=True, slots=True)
class SplitEdits:
    """The edits of the tree, and those of the filesystems. `cacheable`: what the first make may be cached."""

    edits: tuple[Edit, ...]
    finishing: tuple[FinishingEdit, ...] = ()
    cacheable: bool = False


def split_edits(edits: Sequence[Edit], disk: Sequence[DiskStep]) -> SplitEdits:
    """Split the edits where the order of their effects stays the same.

    Only ext can be finished: debugfs writes into them. While the disk is not known, nothing is split.
    """
    populated = phases_of(disk).populate
    if not populated or not all(isinstance(step, MakeExt) for step in populated):
        return SplitEdits(tuple(edits))
    before: list[Edit] = []
    after: list[FinishingEdit] = []
    directories: list[MakeDirectory] = []  # since the last edit that has to see all before it
    for number, edit in enumerate(edits, start=1):
        match edit:
            case Remove() | RemoveTraces() | UnpackPackage() | IndexModules() | RunScript() | GenerateInitrd():
                before, after, directories = list(edits[:number]), [], []
            case MakeDirectory():
                directories.append(edit)
            case (
                WriteFile() | WriteSecret() | CopyFile() | MakeLink() | CopyInTree() | RepackKernel() | AddUser()
                | JoinGroups() | AuthorizeKeys() | SetPassword()
            ):  # fmt: skip
                after.append(edit)
            case _:
                assert_never(edit)
    if any(_in_the_way(edit, directory) for edit in after for directory in directories):
        return SplitEdits(tuple(edits))
    before += directories
    return SplitEdits(tuple(before), tuple(after), cacheable=not any(map(_is_not_cacheable, before)))


def _in_the_way(edit: FinishingEdit, directory: MakeDirectory) -> bool:
    """Whether what the edit writes stands where the directory is to be, or above it."""
    wanted = PurePosixPath(directory.path)
    match edit:
        case WriteFile() | WriteSecret() | CopyFile() | MakeLink() | CopyInTree() | RepackKernel():
            return PurePosixPath(edit.path) in (wanted, *wanted.parents)
        case AddUser() | JoinGroups() | AuthorizeKeys() | SetPassword():
            return False
        case _:
            assert_never(edit)


def _is_not_cacheable(edit: Edit) -> bool:
    """The cache never holds a secret: passwords, and files that others are not to read. What comes over the network is
    no input that a key could name.
    """
    match edit:
        case SetPassword() | WriteSecret():
            return True
        case CopyFile():
            return edit.mode & _OTHERS_MAY_READ == 0
        case RunScript():
            return edit.network
        case (
            Remove() | RemoveTraces() | MakeDirectory() | UnpackPackage() | IndexModules() | GenerateInitrd()
            | WriteFile() | MakeLink() | CopyInTree() | RepackKernel() | AddUser() | JoinGroups() | AuthorizeKeys()
        ):  # fmt: skip
            return False
        case _:
            assert_never(edit)
