"""The root tree from whichever source, cached under the digest of where it came from.

CACHE/trees/DIGEST/facts-SHAPE.json, packages.json, and tree.tar for a tree that was made here. SHAPE is the digest of
the facts' own schema, and of the paths watched out for: when imagebuild learns to ask for more, the archive is read
again, not made again.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from pydantic import BaseModel, ConfigDict

from imagebuild.errors import BuildError
from imagebuild.events import Progress
from imagebuild.host.acceleration import accelerator
from imagebuild.host.cache import Cache
from imagebuild.host.cache_kinds import Kind
from imagebuild.host.known_digest import known_sha256
from imagebuild.plan.facts import TreeFacts
from imagebuild.plan.planner import tree_source
from imagebuild.plan.steps import BootstrapDebian, TakeDirectory, TakeImage, TakeOci, TreeSource, UnpackTar, digest_of
from imagebuild.plan.tidy import WATCHED
from imagebuild.recipe.load import LoadedRecipe
from imagebuild.recipe.lock import PackageLock
from imagebuild.rootfs import directory, image, oci
from imagebuild.rootfs.debian import argv as debian_argv
from imagebuild.rootfs.debian import bootstrap as debian
from imagebuild.rootfs.facts import PackageRecords, read_tree
from imagebuild.rootfs.kernel_files import with_own_kernels
from imagebuild.rootfs.kernels import ASKED_MODULES
from imagebuild.rootfs.lock import check_packages, explain_failure, locked_sources, pins
from imagebuild.rootfs.package_set import read_package_set
from imagebuild.rootfs.packages import Packages, installed_packages
from imagebuild.rootfs.times import wanted_epoch

KIND: Kind = "trees"


class ResolvedTree(BaseModel):
    """Where the tree really comes from: the step, with what only this machine can tell. Its digest is the cache key.

    `epoch`: the moment that the user asks for (SOURCE_DATE_EPOCH). `apt_sources`: one-line entries for a bootstrap, and
    `command` its argv, with names instead of paths: another imagebuild may bootstrap in another way.
    `content_sha256`: of the archive, the directory, the image or the layout's manifest; the place of these does not
    change the tree, so it is left out of `source`. `package_set`: what an update found (package_set.py); None: nobody
    has asked, and the key is the one that it was before there was such a question.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: TreeSource
    epoch: int | None = None
    apt_sources: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    content_sha256: str | None = None
    package_set: str | None = None

    @property
    def digest(self) -> str:
        return digest_of(self) if self.package_set else self.where_from

    @property
    def where_from(self) -> str:
        """The digest without the packages: the same for every day's tree."""
        return digest_of(self, without={"package_set"})


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree that is there: an archive to unpack, what it tells the planner, and its packages."""

    archive: Path
    facts: TreeFacts
    packages: Packages


def resolve(
    source: TreeSource, recipe_directory: Path, cache: Cache, lock: PackageLock | None = None, epoch: int | None = None
) -> ResolvedTree:
    """Pin the source, without network. Raises BuildError for one that is missing or not the pinned (or locked) one.

    `epoch`: the moment of an earlier build that is to be made again; SOURCE_DATE_EPOCH outranks it.

    An archive or image that was not touched since is not read again (known_digest.py).
    """
    wanted = wanted_epoch()
    resolved = _resolve(source, recipe_directory, cache, lock, epoch if wanted is None else wanted)
    if lock and lock.content_sha256 != resolved.content_sha256:
        raise BuildError(
            "the root tree's source is not the one that the lock names",
            details=f"its sha256 is {resolved.content_sha256}, locked is {lock.content_sha256}",
            resolution="use the right one, or make the lock again: imagebuild lock RECIPE",
        )
    return resolved


def _resolve(
    source: TreeSource, recipe_directory: Path, cache: Cache, lock: PackageLock | None, epoch: int | None
) -> ResolvedTree:
    match source:
        case BootstrapDebian():
            lines = debian_argv.apt_sources(source)
            lines = locked_sources(lock, lines) if lock and source.mirror is None else lines
            preferences = Path(f"LOCK-{lock.digest}") if lock else None
            argv = debian_argv.bootstrap_argv(source, lines, Path("INDEX"), Path("TREE"), preferences)
            packing = debian_argv.pack(Path("TREE"), Path("ARCHIVE"))
            resolved = ResolvedTree(source=source, epoch=epoch, apt_sources=lines, command=(*argv, packing))
            packages = None if lock else read_package_set(cache, resolved.where_from)
            return resolved.model_copy(update={"package_set": packages})
        case UnpackTar():
            digest = _pinned_sha256("rootfs.tar", source.path, source.sha256, recipe_directory, cache)
            return ResolvedTree(source=UnpackTar(path="", sha256=None), epoch=epoch, content_sha256=digest)
        case TakeDirectory():
            digest = directory.directory_digest(recipe_directory / source.path)
            return ResolvedTree(source=TakeDirectory(path=""), epoch=epoch, content_sha256=digest)
        case TakeImage():
            image.examine(recipe_directory / source.path)  # one that needs other files is not pinned by its own digest
            digest = _pinned_sha256("rootfs.image", source.path, source.sha256, recipe_directory, cache)
            return ResolvedTree(
                source=TakeImage(path="", sha256=None, root=source.root), epoch=epoch, content_sha256=digest
            )
        case TakeOci():
            found = oci.find_image(source, recipe_directory / source.path)
            anywhere = TakeOci(path="", tag=None, architecture=source.architecture)
            return ResolvedTree(source=anywhere, epoch=epoch, content_sha256=found.manifest_digest)
        case _:
            assert_never(source)


def find_tree(resolved: ResolvedTree, source: TreeSource, recipe_directory: Path, cache: Cache) -> Tree | None:
    """The tree from the cache, or None."""
    entry = cache.find(KIND, resolved.digest)
    return _load(entry, resolved, source, recipe_directory) if entry else None


def facts_in_cache(loaded: LoadedRecipe, cache: Cache) -> TreeFacts | None:
    """What the recipe's tree told when it was made, without making anything.

    None when it is not in the cache, or its archive is missing.
    """
    source = tree_source(loaded.recipe)
    try:
        resolved = resolve(source, loaded.folder, cache, loaded.lock, loaded.epoch)
    except BuildError:
        return None
    tree = find_tree(resolved, source, loaded.folder, cache)
    return with_own_kernels(tree.facts, loaded, cache) if tree else None


def get_tree(
    resolved: ResolvedTree,
    source: TreeSource,
    recipe_directory: Path,
    cache: Cache,
    progress: Progress,
    lock: PackageLock | None = None,
) -> tuple[Tree, bool]:
    """The tree, made if need be, and whether it was in the cache. Raises BuildError, HostError."""

    def make(entry: Path) -> None:
        index = ""
        archive = _archive(entry, source, recipe_directory)
        path = recipe_directory if isinstance(source, BootstrapDebian) else recipe_directory / source.path
        match source:
            case BootstrapDebian():
                if lock and _take_the_same(entry, resolved, source, lock, cache):
                    return
                index = _bootstrap(resolved, source, archive, cache, progress, lock)
            case UnpackTar():
                pass
            case TakeDirectory():
                directory.pack_directory(path, archive, progress)
            case TakeImage():
                image.take_tree(source, image.examine(path), archive, accelerator(cache), progress)
            case TakeOci():
                oci.pack_image(oci.find_image(source, path), archive, progress)
            case _:
                assert_never(source)
        facts, records = read_tree(archive, resolved.digest)
        packages = _packages(resolved.digest, facts.family, records, index)
        if lock and isinstance(source, BootstrapDebian):
            check_packages(lock, packages)
        _write_facts(entry, facts)
        (entry / "packages.json").write_text(packages.model_dump_json(indent=1), encoding="utf-8")

    entry, cached = cache.get(KIND, resolved.digest, make)
    return _load(entry, resolved, source, recipe_directory), cached


def _bootstrap(
    resolved: ResolvedTree,
    source: BootstrapDebian,
    archive: Path,
    cache: Cache,
    progress: Progress,
    lock: PackageLock | None,
) -> str:
    if lock is None:
        return debian.bootstrap(source, resolved.apt_sources, resolved.epoch, archive, cache, progress)
    epoch = resolved.epoch if resolved.epoch is not None else lock.moment
    try:
        return debian.bootstrap(source, resolved.apt_sources, epoch, archive, cache, progress, pins(lock))
    except BuildError as error:
        names = [package.name for package in lock.packages]
        index = debian.offered(source, resolved.apt_sources, names, cache, progress)
        raise explain_failure(error, lock, index) from error


def _take_the_same(
    entry: Path, resolved: ResolvedTree, source: BootstrapDebian, lock: PackageLock, cache: Cache
) -> bool:
    """Fill a locked tree's entry from one that was made without the lock, of just these packages and this moment."""
    unlocked = resolve(source, entry, cache)
    other = cache.find(KIND, unlocked.digest)
    if unlocked.apt_sources != resolved.apt_sources:  # they stand in the tree
        return False
    if other is None or not (other / _facts_name()).is_file():
        return False
    facts = TreeFacts.model_validate_json((other / _facts_name()).read_bytes())
    packages = Packages.model_validate_json((other / "packages.json").read_bytes())
    if facts.epoch != (resolved.epoch if resolved.epoch is not None else lock.moment):
        return False
    try:
        check_packages(lock, packages)
        (entry / "tree.tar").hardlink_to(other / "tree.tar")
    except (BuildError, OSError):
        return False
    _write_facts(entry, facts.model_copy(update={"digest": resolved.digest}))
    own = packages.model_copy(update={"tree": resolved.digest})
    (entry / "packages.json").write_text(own.model_dump_json(indent=1), encoding="utf-8")
    return True


def _archive(entry: Path, source: TreeSource, recipe_directory: Path) -> Path:
    return recipe_directory / source.path if isinstance(source, UnpackTar) else entry / "tree.tar"


def _load(entry: Path, resolved: ResolvedTree, source: TreeSource, recipe_directory: Path) -> Tree:
    archive = _archive(entry, source, recipe_directory)
    cached = entry / _facts_name()
    if cached.is_file():
        facts = TreeFacts.model_validate_json(cached.read_bytes())
    else:
        facts, _records = read_tree(archive, resolved.digest)
        _write_facts(entry, facts)
    if resolved.epoch is not None:
        facts = facts.model_copy(update={"epoch": resolved.epoch})
    return Tree(archive, facts, Packages.model_validate_json((entry / "packages.json").read_bytes()))


def _packages(digest: str, family: str, records: PackageRecords, index: str) -> Packages:
    """What dpkg's and rpm's records list; a tree has one or the other."""
    found, note = installed_packages(records.dpkg_status, index), ""
    if not found and records.rpm_packages is not None:
        found, note = records.rpm_packages
    elif not found and records.older_rpm_database:
        note = f"the rpm database {records.older_rpm_database} has an older format, which imagebuild does not read"
    return Packages(tree=digest, packages=found, note=note, family=family)


def _write_facts(entry: Path, facts: TreeFacts) -> None:
    partial = entry / f"{_facts_name()}.partial"
    partial.write_text(facts.model_dump_json(indent=1), encoding="utf-8")
    partial.rename(entry / _facts_name())


def _facts_name() -> str:
    schema = json.dumps([TreeFacts.model_json_schema(), WATCHED, ASKED_MODULES], sort_keys=True)
    return f"facts-{hashlib.sha256(schema.encode()).hexdigest()[:16]}.json"


def _pinned_sha256(key: str, name: str, wanted: str | None, recipe_directory: Path, cache: Cache) -> str:
    """The file's digest. Raises BuildError when it cannot be read, or when the recipe names another."""
    path = recipe_directory / name
    try:
        digest = known_sha256(path, cache)
    except OSError as error:
        raise BuildError(
            f"{key}: {path} cannot be read: {error.strerror}", resolution="paths are relative to the recipe's directory"
        ) from error
    if wanted is not None and digest != wanted:
        raise BuildError(
            f"{key}.sha256: {name} is not the file that the recipe names",
            details=f"its sha256 is {digest}, the recipe says {wanted}",
            resolution="use the right file, or correct the digest",
        )
    return digest
