"""The check of what each machine makes for itself: an image that holds it makes twins, or tells of another machine."""

from __future__ import annotations

from collections.abc import Iterator

from imagebuild.formats.machine_traces import AUTHORIZED_KEYS, TRACES, UNINITIALIZED, Trace, expand
from imagebuild.formats.text import printable
from imagebuild.image.readers import ReadError
from imagebuild.image.root_tree import Found, RootTree
from imagebuild.verify.init_checks import mounts_of
from imagebuild.verify.view import Finding, View, passed, skipped, warned

_MOST_SHOWN = 3
_MOST_LOOKED_AT = 300
_MOST_BYTES = 16 * 2**20
_EMPTY_ID = 64  # an id is 33 bytes


def identity(view: View) -> Iterator[Finding]:
    """The root holds nothing that each machine makes for itself: ids, host keys, leases, logs."""
    root = view.root
    if root is None or view.subject.reader(root) is None:
        yield skipped("the root filesystem is not known, or cannot be read here")
        return
    tree = RootTree(view.subject, root, mounts_of(view, root))
    found = {trace: list(_found(tree, trace)) for trace in (*TRACES, AUTHORIZED_KEYS)}
    words = [f"{trace.name}: {_shown(paths)} ({trace.reason})" for trace, paths in found.items() if paths]
    yield warned(f"{root.name}: {'; '.join(words)}") if words else passed(f"{root.name}: nothing of another machine")


def _shown(paths: list[str]) -> str:
    more = f" and {len(paths) - _MOST_SHOWN} more" if len(paths) > _MOST_SHOWN else ""
    return ", ".join(printable(path) for path in paths[:_MOST_SHOWN]) + more


def _found(tree: RootTree, trace: Trace) -> Iterator[str]:
    for pattern in trace.removed:
        for path in expand(pattern, tree.names):
            here = tree.find(path)
            if here is not None and here.path == path and not _is_empty_directory(tree, here):
                yield path
    for pattern in trace.emptied:
        paths = (
            _below(tree, pattern[:-3], [_MOST_LOOKED_AT]) if pattern.endswith("/**") else expand(pattern, tree.names)
        )
        for path in paths:
            here = tree.find(path)
            if here is not None and _has_content(tree, here):
                yield path


def _is_empty_directory(tree: RootTree, here: Found) -> bool:
    return here.inode is not None and here.inode.type == "directory" and not tree.names(here.path)


def _below(tree: RootTree, directory: str, left: list[int]) -> Iterator[str]:
    """Files below a directory, `left` of them at most; only where the reader tells files from directories.

    A link in it belongs to whoever made the link: Debian's systemd has /var/log/README, to a file of its documentation.
    """
    top = tree.find(directory)
    for name in sorted(tree.names(directory)) if top is not None else ():
        left[0] -= 1
        here = tree.find(f"{directory}/{name}") if left[0] > 0 else None
        if top is None or here is None or here.inode is None or here.path != f"{top.path}/{name}":
            continue
        if here.inode.type == "directory":
            yield from _below(tree, here.path, left)
        elif here.inode.type == "regular":
            yield here.path


def _has_content(tree: RootTree, here: Found) -> bool:
    if here.inode is not None and (here.inode.type != "regular" or here.inode.size_bytes == 0):
        return False
    if here.inode is not None and here.inode.size_bytes > _EMPTY_ID:
        return True
    try:
        return tree.read(here, _MOST_BYTES).strip() not in (b"", UNINITIALIZED)
    except ReadError:
        return False
