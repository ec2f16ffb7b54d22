"""Two snapshots, one Difference. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

from imagebuild.diff.snapshot import FileFacts, Snapshot
from imagebuild.pages.changes import package_changes


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True)


class Fact(_Data):
    """A named fact that is another one now. Empty: not there."""

    name: str
    before: str
    after: str


class FileChange(_Data):
    """`what`: which of content, mode, owner, xattrs, type, target, device differ; empty for added and removed."""

    path: str
    change: Literal["added", "removed", "changed"]
    what: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()


class Difference(_Data):
    """All that differs; `same` when nothing does. `not_compared`: what one of the two does not tell."""

    a: str
    b: str
    same: bool
    layout: tuple[Fact, ...]
    kernels: tuple[Fact, ...]
    menu: tuple[str, ...]
    packages: tuple[Fact, ...]
    files: tuple[FileChange, ...]
    not_compared: tuple[str, ...]


def compare(a: Snapshot, b: Snapshot) -> Difference:
    """What has to change in `a` to become `b`."""
    layout = _facts(a.layout, b.layout)
    kernels = _facts(dict.fromkeys(a.kernels, "there"), dict.fromkeys(b.kernels, "there"))
    lines = difflib.unified_diff(a.menu.splitlines(), b.menu.splitlines(), a.name, b.name, lineterm="", n=2)
    menu = tuple(lines)
    packages: tuple[Fact, ...] = ()
    missing = []
    if a.packages is None or b.packages is None:
        missing.append("packages")
    else:
        changed = package_changes(a.packages, b.packages)
        packages = tuple(Fact(name=one.name, before=one.before, after=one.after) for one in changed)
    files: tuple[FileChange, ...] = ()
    if a.files is None or b.files is None:
        missing.append("files")
    else:
        files = _files(a.files, b.files)
    same = not (layout or kernels or menu or packages or files)
    return Difference(
        a=a.name, b=b.name, same=same, layout=layout, kernels=kernels, menu=menu,
        packages=packages, files=files, not_compared=tuple(missing),
    )  # fmt: skip


def _facts(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Fact, ...]:
    names = dict.fromkeys([*before, *after])
    rows = (Fact(name=name, before=before.get(name, ""), after=after.get(name, "")) for name in names)
    return tuple(row for row in rows if row.before != row.after)


def _files(before: Mapping[str, FileFacts], after: Mapping[str, FileFacts]) -> tuple[FileChange, ...]:
    changes = []
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path), after.get(path)
        if old is None:
            changes.append(FileChange(path=path, change="added"))
        elif new is None:
            changes.append(FileChange(path=path, change="removed"))
        elif old != new:
            facts = _facts(_aspects(old), _aspects(new))
            changes.append(
                FileChange(path=path, change="changed", what=tuple(fact.name for fact in facts), facts=facts)
            )
    return tuple(changes)


def _aspects(file: FileFacts) -> dict[str, str]:
    return {
        "type": file.type,
        "content": f"{file.size_bytes} bytes, sha256 {file.sha256}" if file.type == "file" else "",
        "mode": f"{file.mode:04o}",
        "owner": f"{file.uid}:{file.gid}",
        "target": file.target,
        "device": file.device,
        "xattrs": ", ".join(f"{name}={value}" for name, value in file.xattrs),
    }


def folded(files: tuple[FileChange, ...]) -> list[tuple[FileChange, int]]:
    """For people: a folder that came or went whole stands for all beneath it, with how many those are."""
    rows: list[tuple[FileChange, int]] = []
    for change in files:  # sorted: a folder comes before what is in it, but `a-b` comes between `a` and `a/c`
        parent = next(
            (
                number
                for number in range(len(rows) - 1, max(-1, len(rows) - 50), -1)
                if rows[number][0].change == change.change != "changed"
                and change.path.startswith(rows[number][0].path + "/")
            ),
            None,
        )
        if parent is None:
            rows.append((change, 0))
        else:
            rows[parent] = (rows[parent][0], rows[parent][1] + 1)
    return rows
