"""Edits of a tree: our own code does them after chroot(2), programs of the tree run behind the fence."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import BinaryIO, assert_never

from imagebuild.assemble.inside import accounts
from imagebuild.assemble.inside.directories import make_directory
from imagebuild.assemble.inside.in_tree import in_tree
from imagebuild.assemble.inside.initrd_tools import generate_initrd, run_depmod, tool_configuration
from imagebuild.assemble.inside.package_unpack import unpack_package
from imagebuild.assemble.inside.scripts import run_script
from imagebuild.assemble.inside.traces import remove_traces
from imagebuild.errors import BuildError
from imagebuild.formats.repack import RepackError, with_gzip_payload
from imagebuild.host.fence.request import Limits
from imagebuild.plan.steps import (
    CopyFile,
    CopyInTree,
    Edit,
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
from imagebuild.recipe.named_file import open_named, read_whole
from imagebuild.recipe.public_keys import MOST_BYTES as _MOST_KEYS_BYTES


def apply_edits(
    tree: Path,
    edits: tuple[Edit, ...],
    *,
    recipe_directory: Path,
    secrets: Mapping[str, str],
    epoch: int,
    limits: Limits,
) -> None:
    """Apply all edits in order. Raises BuildError, HostError.

    `secrets`: crypt(5) hashes by the names that the plan uses. `epoch`: the moment that the image shows. `limits`: of
    the tree's own programs.
    """
    for edit in edits:
        match edit:
            case GenerateInitrd():
                configuration = tool_configuration(edit, tree)
                _edit(tree, configuration, partial(_change, configuration))
                generate_initrd(tree, edit, limits)
            case IndexModules():
                run_depmod(tree, edit.kernel_version, limits)
            case RunScript():
                run_script(tree, edit, recipe_directory, epoch, limits)
            case AuthorizeKeys():
                contents = [read_whole(recipe_directory / name, _MOST_KEYS_BYTES) for name in edit.sources]
                _edit(tree, edit, partial(accounts.authorize_keys, edit, contents))
            case CopyFile() | UnpackPackage():
                with open_named(recipe_directory / edit.source) as file:  # opened while its path still means something
                    _edit(tree, edit, partial(_copy_in, edit, file))
            case WriteSecret():
                content = secrets[edit.secret].encode()
                _edit(tree, edit, partial(_write, Path(edit.path), content, edit.mode))
            case AddUser() | JoinGroups() | SetPassword():
                _edit(tree, edit, partial(accounts.apply, edit, secrets))
            case RemoveTraces():
                _edit(tree, edit, partial(remove_traces, edit))
            case Remove() | WriteFile() | MakeLink() | MakeDirectory() | CopyInTree() | RepackKernel():
                _edit(tree, edit, partial(_change, edit))
            case _:
                assert_never(edit)


def _edit(tree: Path, edit: Edit, action: Callable[[], None]) -> None:
    in_tree(tree, edit.kind, action, getattr(edit, "path", ""))


def _copy_in(edit: CopyFile | UnpackPackage, file: BinaryIO) -> None:
    match edit:
        case CopyFile():
            _write(Path(edit.path), file.read(), edit.mode)
        case UnpackPackage():
            unpack_package(file, Path(edit.source).name)
        case _:
            assert_never(edit)


def _change(edit: Remove | WriteFile | MakeLink | MakeDirectory | CopyInTree | RepackKernel) -> None:
    match edit:
        case Remove():
            _remove(Path(edit.path))
        case WriteFile():
            _write(Path(edit.path), edit.content.encode(), edit.mode)
        case MakeLink():
            path = Path(edit.path)
            make_directory(path.parent)
            path.unlink(missing_ok=True)
            path.symlink_to(edit.target)
        case MakeDirectory():
            make_directory(Path(edit.path))
        case CopyInTree():
            _write(Path(edit.path), Path(edit.source).read_bytes(), 0o644)
        case RepackKernel():
            _repack(Path(edit.path))
        case _:
            assert_never(edit)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _write(path: Path, content: bytes, mode: int) -> None:
    make_directory(path.parent)
    path.unlink(missing_ok=True)  # a link is replaced, not followed
    path.write_bytes(content)
    path.chmod(mode)


def _repack(path: Path) -> None:
    before = path.stat()
    try:
        content = with_gzip_payload(path.read_bytes())
    except RepackError as error:
        raise BuildError(f"boot.repack: {path} cannot be repacked: {error}") from error
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
