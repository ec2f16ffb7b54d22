"""The root tree: bootstrapped or taken from an archive, kept in the cache under the digest of where it came from.

CACHE/trees/DIGEST/facts.json, packages.json, and tree.tar for a tree that was made here
"""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from imagebuild.build.packages import Packages, installed_packages
from imagebuild.build.tree_facts import read_tree
from imagebuild.errors import BuildError
from imagebuild.host import command, namespace
from imagebuild.host.apt_sources import debian_mirrors
from imagebuild.host.cache import Cache
from imagebuild.plan.facts import TreeFacts
from imagebuild.plan.steps import BootstrapDebian, TreeSource, UnpackTar, digest_of
from imagebuild.report import Progress

KIND = "trees"
_DEBIAN_NAMES = {"x86_64": "amd64", "i386": "i386"}
# apt gives up on a mirror that is silent for so long; without it a dead mirror holds a build for minutes.
_APT_TIMEOUT_SECONDS = 30
# What a bootstrap needs at the same time: the tree and the packages (Debian 12 with a kernel: 0.9 GiB).
_BOOTSTRAP_BYTES = 2 * 2**30
_SIGNS = {
    "Could not resolve": ("the mirror's name cannot be resolved", "check the network, or rootfs.debian.mirror"),
    "Could not connect": ("the mirror cannot be reached", "check the network, or rootfs.debian.mirror"),
    "Connection timed out": ("the mirror does not answer", "check the network, or rootfs.debian.mirror"),
    "does not have a Release file": (
        "the mirror does not have this suite",
        "check rootfs.debian.suite (a code name such as bookworm) and rootfs.debian.mirror",
    ),
    "Unable to locate package": (
        "a package does not exist in this suite",
        "check the names in rootfs.debian.packages, and rootfs.debian.components",
    ),
    "has no installation candidate": (
        "a package cannot be installed from this suite",
        "check the names in rootfs.debian.packages, and rootfs.debian.components",
    ),
    "NO_PUBKEY": (
        "the mirror's signature cannot be checked",
        "install the Debian package debian-archive-keyring, or check the mirror",
    ),
    "No space left on device": (
        "there is no space left",
        "free some space, or choose other places with TMPDIR and IMAGEBUILD_CACHE",
    ),
}


class ResolvedTree(BaseModel):
    """Where the tree really comes from: the step, with what only this machine can tell. Its digest is the cache key.

    `apt_sources`: one-line entries for a bootstrap. `archive_sha256`: the archive's content.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: TreeSource
    apt_sources: tuple[str, ...] = ()
    archive_sha256: str | None = None

    @property
    def digest(self) -> str:
        return digest_of(self)


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree that is there: an archive to unpack, what it tells the planner, and its packages."""

    archive: Path
    facts: TreeFacts
    packages: Packages


def resolve(source: TreeSource, recipe_folder: Path) -> ResolvedTree:
    """Pin the source, without network. Raises BuildError for an archive that is missing or not the pinned one."""
    if isinstance(source, BootstrapDebian):
        if source.mirror is not None:
            line = f"deb {source.mirror} {source.suite} {' '.join(source.components)}"
            return ResolvedTree(source=source, apt_sources=(line,))
        lines = debian_mirrors(source.suite)
        more = " ".join(component for component in source.components if component != "main")
        return ResolvedTree(source=source, apt_sources=tuple(f"{line} {more}".rstrip() for line in lines))
    path = recipe_folder / source.path
    digest = _sha256(path)
    if source.sha256 is not None and digest != source.sha256:
        raise BuildError(
            f"rootfs.tar.sha256: {source.path} is another file than the recipe names",
            details=f"its sha256 is {digest}, the recipe says {source.sha256}",
            resolution="get the right file, or correct the digest",
        )
    # The archive's place does not change the tree: the same content elsewhere is the same entry.
    return ResolvedTree(source=UnpackTar(path="", sha256=None), archive_sha256=digest)


def find_tree(resolved: ResolvedTree, source: TreeSource, recipe_folder: Path, cache: Cache) -> Tree | None:
    """The tree from the cache, or None."""
    folder = cache.find(KIND, resolved.digest)
    return _load(folder, source, recipe_folder) if folder else None


def get_tree(
    resolved: ResolvedTree, source: TreeSource, recipe_folder: Path, cache: Cache, progress: Progress
) -> tuple[Tree, bool]:
    """The tree, made if need be, and whether it was in the cache. Raises BuildError, HostError."""

    def make(folder: Path) -> None:
        index = ""
        if isinstance(source, BootstrapDebian):
            archive = folder / "tree.tar"
            index = bootstrap(source, resolved.apt_sources, archive, cache, progress)
        else:
            archive = recipe_folder / source.path
        facts, status = read_tree(archive, resolved.digest)
        packages = Packages(tree=resolved.digest, packages=installed_packages(status, index))
        (folder / "facts.json").write_text(facts.model_dump_json(indent=1), encoding="utf-8")
        (folder / "packages.json").write_text(packages.model_dump_json(indent=1), encoding="utf-8")

    folder, cached = cache.get(KIND, resolved.digest, make)
    return _load(folder, source, recipe_folder), cached


def _load(folder: Path, source: TreeSource, recipe_folder: Path) -> Tree:
    archive = folder / "tree.tar" if isinstance(source, BootstrapDebian) else recipe_folder / source.path
    return Tree(
        archive=archive,
        facts=TreeFacts.model_validate_json((folder / "facts.json").read_bytes()),
        packages=Packages.model_validate_json((folder / "packages.json").read_bytes()),
    )


def bootstrap(
    step: BootstrapDebian, apt_sources: tuple[str, ...], archive: Path, cache: Cache, progress: Progress
) -> str:
    """Let mmdebstrap make the tree into the tar file `archive`; returns the archive's index of its packages.

    Raises BuildError with mmdebstrap's words, HostError when it is not installed.
    """
    command.require("mmdebstrap", "mmdebstrap")
    with namespace.workspace(cache.root / "work") as space:
        index = space.folder / "index"
        index.touch()
        argv = [
            "mmdebstrap", "--mode=root", f"--variant={step.variant}", "--format=tar",
            f"--architectures={_DEBIAN_NAMES[step.architecture]}", f"--components={','.join(step.components)}",
            f"--aptopt=Acquire::http::Timeout \"{_APT_TIMEOUT_SECONDS}\"",
            f"--aptopt=Acquire::https::Timeout \"{_APT_TIMEOUT_SECONDS}\"",
            "--dpkgopt=force-unsafe-io",  # the tree is copied out in the end: fsync protects nothing
            f"--customize-hook={_note_digests(index)}",
            # mmdebstrap leaves this machine's own name and resolver in the tree
            '--customize-hook=cd "$1/etc" && rm -f resolv.conf hostname && echo localhost >hostname',
            *([f"--include={','.join(step.packages)}"] if step.packages else []),
            step.suite, str(archive), *apt_sources,
        ]  # fmt: skip
        finished = namespace.attempt_program(
            argv, space, memory=namespace.fits_in_memory(_BOOTSTRAP_BYTES), log=progress.log
        )
        if finished.exit_code != 0:
            raise _failed(step, finished)
        return index.read_text(encoding="utf-8", errors="replace")


def _note_digests(index: Path) -> str:
    """A hook that saves the archive's records of just the packages that were installed."""
    installed = "$(dpkg-query --admindir=\"$1/var/lib/dpkg\" -W -f '${Package}:${Architecture}=${Version} ')"
    return f'APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-cache show {installed} >{shlex.quote(str(index))}'


def _failed(step: BootstrapDebian, finished: command.Finished) -> BuildError:
    for sign, (what, cure) in _SIGNS.items():
        if sign in finished.output:
            return BuildError(
                f"bootstrapping Debian {step.suite} failed: {what}", details=_errors_of(finished), resolution=cure
            )
    return BuildError(
        f"bootstrapping Debian {step.suite} failed (mmdebstrap ended with {finished.exit_code})",
        details=finished.tail(),
    )


def _errors_of(finished: command.Finished) -> str:
    """The lines that say what is wrong, without the hundreds that do not."""
    lines = [
        line for line in finished.output.splitlines() if line.startswith(("E:", "W: Failed", "Err:", "dpkg: error"))
    ]
    return "\n".join(dict.fromkeys(lines[-12:])) or finished.tail()


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BuildError(
            f"rootfs.tar: {path} cannot be read: {error.strerror}", resolution="paths count from the recipe's folder"
        ) from error
