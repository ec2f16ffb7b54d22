"""What travels between machines beside results: recipes with their files, and root trees, each under its digest.

URL/shared/recipes/DIGEST.tar.zst   a recipe, what it includes and the files that it names
URL/shared/trees/DIGEST.tar.zst     an entry of the cache (host/cache.py), checked byte for byte on arrival
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Sequence
from pathlib import Path

import zstandard

from imagebuild.errors import BuildError
from imagebuild.host.cache import SUMS, Cache, Entry, damage
from imagebuild.host.scratch import scratch_folder
from imagebuild.nightly.inputs import travelling_files
from imagebuild.nightly.store import Store
from imagebuild.plan.planner import tree_source
from imagebuild.recipe.load import LoadedRecipe
from imagebuild.rootfs import tree as rootfs

_LEVEL = 3


def tree_digest(loaded: LoadedRecipe) -> str:
    """The name of the recipe's root tree in the cache; empty when its source cannot be pinned here."""
    try:
        return rootfs.resolve(tree_source(loaded.recipe), loaded.folder, Cache(), loaded.lock, loaded.epoch).digest
    except BuildError:
        return ""


def send_recipe(store: Store, loaded: LoadedRecipe, inputs: str) -> tuple[str, str]:
    """Put the recipe with its files into the store, unless it is there; its name there, and its path inside."""
    files = travelling_files(loaded)
    base = Path(os.path.commonpath([path.parent for path in files]))
    recipe = Path(os.path.normpath(loaded.path.absolute())).relative_to(base)
    name = f"shared/recipes/{inputs}.tar.zst"
    if not store.mark(name):
        with scratch_folder() as scratch:
            packed = scratch / "recipe.tar.zst"
            _pack(base, files, packed)
            store.upload_whole(packed, name)
    return name, str(recipe)


def fetch_recipe(store: Store, name: str, folder: Path) -> None:
    """Unpack a recipe with its files. Raises BuildError when it is not (or no longer) there."""
    packed = folder / "recipe.tar.zst"
    if not store.download(name, packed):
        raise BuildError(f"{store.url}/{name} does not exist", resolution="run nightly again")
    _unpack(packed, folder)
    packed.unlink()


def mend(cache: Cache, kind: str = "", digest: str = "") -> list[str]:
    """Read the entries of the cache (all, or one) and remove what is damaged; a line for each that was."""
    notes = []
    for entry in cache.entries():
        if (kind and entry.kind != kind) or (digest and entry.digest != digest):
            continue
        # files that were added later (facts under a newer name) are no damage
        wrong = [line for line in damage(entry) if not line.endswith("not part of the entry when it was written")]
        if wrong and cache.remove(entry):
            notes.append(
                f"the cache entry {entry.kind}/{entry.digest[:16]} was damaged ({wrong[0]}); imagebuild makes it again"
            )
    return notes


def fetch_tree(store: Store, cache: Cache, digest: str) -> list[str]:
    """Bring a root tree from the store into the cache, unless it is there; a line when the one that came is damaged."""
    name = f"shared/trees/{digest}.tar.zst"
    if not digest or cache.find(rootfs.KIND, digest) or not store.mark(name):
        return []
    wrong: list[str] = []

    def make(folder: Path) -> None:
        packed = folder.with_name(f"{folder.name}.tar.zst")
        try:
            if not store.download(name, packed):
                raise _Unusable
            _unpack(packed, folder)
            wrong.extend(damage(Entry(rootfs.KIND, digest, folder, 0, 0)))
        except (tarfile.TarError, zstandard.ZstdError, EOFError):
            wrong.append("it cannot be unpacked")
        finally:
            packed.unlink(missing_ok=True)
        if wrong:
            raise _Unusable

    try:
        cache.get(rootfs.KIND, digest, make)
    except _Unusable:
        if wrong:
            store.remove(name)
            return [f"the shared root tree {digest[:16]} was damaged ({wrong[0]}); imagebuild makes it again"]
    return []


def send_tree(store: Store, cache: Cache, digest: str) -> None:
    """Offer a root tree of the cache to the other machines, unless it is in the store."""
    name = f"shared/trees/{digest}.tar.zst"
    folder = cache.find(rootfs.KIND, digest) if digest else None
    if folder is None or store.mark(name):
        return
    with scratch_folder(cache.root) as scratch:
        packed = scratch / "tree.tar.zst"
        # only what its own list of digests names: a file added since (facts) would look like damage
        _pack(
            folder,
            [path for path in sorted(folder.rglob("*")) if path.name == SUMS or _is_listed(folder, path)],
            packed,
        )
        store.upload_whole(packed, name)


def _is_listed(folder: Path, path: Path) -> bool:
    return f'"{path.relative_to(folder)}"' in (folder / SUMS).read_text(encoding="utf-8")


class _Unusable(Exception):  # noqa: N818 (no error: only a way out of cache.get)
    pass


def compress(source: Path, target: Path) -> None:
    """An image as zstd: its holes cost nothing on the way."""
    with source.open("rb") as file, target.open("wb") as out:
        zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).copy_stream(file, out)


def _pack(base: Path, files: Sequence[Path], target: Path) -> None:
    with (
        target.open("wb") as out,
        zstandard.ZstdCompressor(level=_LEVEL).stream_writer(out, closefd=False) as stream,
        tarfile.open(fileobj=stream, mode="w|") as archive,
    ):
        for path in files:
            archive.add(path, arcname=str(path.relative_to(base)), recursive=False)


def _unpack(packed: Path, folder: Path) -> None:
    with (
        packed.open("rb") as file,
        zstandard.ZstdDecompressor().stream_reader(file) as stream,
        tarfile.open(fileobj=stream, mode="r|") as archive,
    ):
        for member in archive:
            if not _stays_inside(member, folder):
                raise tarfile.TarError(f"{member.name} points outside the archive's directory")
            archive.extract(member, folder, numeric_owner=True)


def _stays_inside(member: tarfile.TarInfo, folder: Path) -> bool:
    """Whether neither the name, nor a link that was unpacked before it, nor a hard link's target leads elsewhere.

    Debian 12's tarfile does not know `filter=` yet.
    """
    whole = folder.resolve()
    places = [folder / member.name, *([folder / member.linkname] if member.islnk() else [])]
    return all(place.parent.resolve().is_relative_to(whole) and ".." not in place.parts for place in places)
