"""A tree from its lock: which packages apt may take, whether it took just these, and what to do where it cannot.

The lock belongs to the part of the recipe that the tree is made of, but for the mirror: with the same lock a snapshot
mirror can take the place of one that has moved on.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from imagebuild.errors import BuildError, Problem, RecipeError
from imagebuild.plan.planner import tree_source
from imagebuild.plan.steps import (
    BootstrapDebian,
    Plan,
    TakeDirectory,
    TakeImage,
    TakeOci,
    TreeSource,
    UnpackTar,
    digest_of,
)
from imagebuild.recipe.load import LoadedRecipe
from imagebuild.recipe.lock import LockedMirror, LockedPackage, PackageLock, read_lock
from imagebuild.rootfs.debian.release_date import release_date
from imagebuild.rootfs.packages import Packages, stanzas

# Debian's own archive of its archive (https://snapshot.debian.org/): nothing in it ever changes or goes away.
SNAPSHOT = "https://snapshot.debian.org/archive/debian/"
_CREDENTIALS = re.compile(r"//[^/@\s]+@")
_SHOWN = 20
# The archive is published every six hours, and a snapshot taken of each: the one that holds a Release comes after it.
_UNTIL_SNAPSHOT_SECONDS = 6 * 3600


def with_lock(loaded: LoadedRecipe, lock_of: Path | None = None) -> LoadedRecipe:
    """The recipe, bound to its lock, or to that of the recipe `lock_of`.

    Raises RecipeError when that is missing, or another package list's.
    """
    lock, path = read_lock(lock_of or loaded.path)
    if lock.source != source_digest(tree_source(loaded.recipe)) or lock.architecture != loaded.recipe.architecture:
        message = (
            f"it belongs to another rootfs than that of {loaded.path}; make it again: imagebuild lock {loaded.path}"
        )
        raise RecipeError([Problem(str(path), 0, 0, "", message)])
    return replace(loaded, lock=lock, files=(*loaded.files, path))


def source_digest(source: TreeSource) -> str:
    """What the lock belongs to. Of a tree that is given, neither place nor digest: those are what is locked."""
    match source:
        case BootstrapDebian():
            return digest_of(source.model_copy(update={"mirror": None}))
        case UnpackTar():
            return digest_of(UnpackTar(path="", sha256=None))
        case TakeDirectory():
            return digest_of(TakeDirectory(path=""))
        case TakeImage():
            return digest_of(TakeImage(path="", sha256=None, root=source.root))
        case TakeOci():
            return digest_of(TakeOci(path="", tag=source.tag, architecture=source.architecture))


def locked_sources(lock: PackageLock, own: tuple[str, ...]) -> tuple[str, ...]:
    """apt's sources as they were when the lock was made: they stand in the tree, so another machine's are other bytes.

    `own`, this machine's, where the lock names none, or the same ones: they may have credentials.
    """
    locked = tuple(mirror.source for mirror in lock.mirrors if mirror.source.startswith("deb "))
    return own if not locked or locked == tuple(_CREDENTIALS.sub("//", line) for line in own) else locked


def lock_of(
    loaded: LoadedRecipe, packages: Packages, moment: int, *, content_sha256: str | None, apt_sources: Sequence[str]
) -> PackageLock:
    """The lock of a tree that is there. `moment`: no file in it is newer (its facts' epoch).

    Raises BuildError when the tree's packages have no digests: then nobody can tell whether they are the same again.
    """
    source = tree_source(loaded.recipe)
    debian = source if isinstance(source, BootstrapDebian) else None
    unknown = [package.name for package in packages.packages if package.sha256 is None]
    if debian and (unknown or not packages.packages):
        raise BuildError(
            f"the tree of {loaded.path} cannot be locked: its archive gave no digest for some packages",
            details=", ".join(unknown[:_SHOWN]),
            resolution="make the tree again: imagebuild lock --update",
        )
    return PackageLock(
        source=source_digest(source),
        suite=debian.suite if debian else None,
        architecture=loaded.recipe.architecture,
        moment=moment if debian else None,
        mirrors=tuple(LockedMirror(source=_CREDENTIALS.sub("//", line), date=_date(line)) for line in apt_sources),
        content_sha256=content_sha256,
        packages=tuple(
            LockedPackage(
                name=one.name, version=one.version, architecture=one.architecture,
                sha256=one.sha256 or "", size_bytes=one.size_bytes,
            )
            for one in packages.packages if debian
        ),
    )  # fmt: skip


def lock_of_build(loaded: LoadedRecipe, plan: Plan, packages: Packages) -> PackageLock | None:
    """As `lock_of`, of what was just built from a bootstrapped tree, without asking any mirror; None: not to be had."""
    if loaded.lock is not None:
        return loaded.lock
    if plan.tree.kind != "bootstrap-debian" or plan.epoch is None:
        return None
    try:
        return lock_of(loaded, packages, plan.epoch, content_sha256=None, apt_sources=())
    except BuildError:
        return None


def pins(lock: PackageLock) -> str:
    """apt's preferences (apt_preferences(5)): these versions, even older ones than others, and no other package."""
    text = "Package: *\nPin: release *\nPin-Priority: -1\n"
    return text + "".join(
        f"\nPackage: {one.name}\nPin: version {one.version}\nPin-Priority: 1001\n" for one in lock.packages
    )


def check_packages(lock: PackageLock, packages: Packages) -> None:
    """Raises BuildError unless the tree holds the locked packages, each from the very file, and nothing else."""
    wanted = {(one.name, one.architecture): (one.version, one.sha256) for one in lock.packages}
    found = {(one.name, one.architecture): (one.version, one.sha256) for one in packages.packages}
    lines = []
    for key in sorted(wanted.keys() | found.keys()):
        before, after = wanted.get(key), found.get(key)
        if before != after:
            lines.append(f"{key[0]} ({key[1]}): {_difference(before, after)}")
    if lines:
        raise _refused(lock, f"{len(lines)} packages are not the ones that the lock names", lines)


def explain_failure(error: BuildError, lock: PackageLock, index: str) -> BuildError:
    """Why a locked bootstrap failed: the packages that the mirror does not have (any more), else the error itself.

    `index`: the archive's records of all versions of the locked packages (apt-cache(8), show).
    """
    offered: dict[tuple[str, str], dict[str, str | None]] = {}
    for fields in stanzas(index):
        key = (fields["package"], fields.get("architecture", ""))
        offered.setdefault(key, {})[fields.get("version", "")] = fields.get("sha256")
    lines = []
    for one in lock.packages:
        there = offered.get((one.name, one.architecture), {})
        if one.version not in there:
            lines.append(f"{one}: the mirror has {', '.join(there) or 'none'}")
        elif there[one.version] != one.sha256:
            lines.append(f"{one}: {_difference((one.version, one.sha256), (one.version, there[one.version]))}")
    if not lines:
        return error
    return _refused(lock, f"the mirror does not have {len(lines)} of {len(lock.packages)} locked packages", lines)


def _difference(before: tuple[str, str | None] | None, after: tuple[str, str | None] | None) -> str:
    if before is None or after is None:
        return "not in the lock" if before is None else "in the lock, but not in the tree"
    if before[0] != after[0]:
        return f"locked is {before[0]}, found {after[0]}"
    return f"{before[0]} is another file: sha256 {after[1]}, locked is {before[1]}"


def _refused(lock: PackageLock, brief: str, lines: list[str]) -> BuildError:
    more = [f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    day = datetime.fromtimestamp((lock.moment or 0) + _UNTIL_SNAPSHOT_SECONDS, UTC).strftime("%Y%m%dT%H%M%SZ")
    return BuildError(
        brief,
        details="\n".join(lines[:_SHOWN] + more),
        resolution="make the lock again (imagebuild lock --update RECIPE), or name a mirror that keeps what others "
        f"drop (rootfs.debian.mirror: {SNAPSHOT}{day})",
    )


def _date(line: str) -> str | None:
    moment = release_date(line)
    return datetime.fromtimestamp(moment, UTC).isoformat() if moment is not None else None
