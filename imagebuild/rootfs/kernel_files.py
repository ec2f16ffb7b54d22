"""Kernels from files beside the recipe, looked into before any work: packages, or a kernel with its initrd.

CACHE/kernels/DIGEST/facts.json, by the files' content.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections import defaultdict
from pathlib import Path, PurePosixPath

from imagebuild.errors import BuildError
from imagebuild.formats.kernel_file import unwrap
from imagebuild.formats.text import escaped
from imagebuild.host.cache import Cache
from imagebuild.host.cache_kinds import Kind
from imagebuild.host.digest import file_sha256
from imagebuild.plan.facts import KernelInTree, OwnKernel, TreeFacts, Usage
from imagebuild.recipe.load import LoadedRecipe
from imagebuild.recipe.model import Kernel
from imagebuild.recipe.named_file import open_named, read_whole
from imagebuild.rootfs.archive import clean_name
from imagebuild.rootfs.kernels import KernelsFound, initrd_facts
from imagebuild.rootfs.package_file import opened

KIND: Kind = "kernels"
_BLOCK = 4096
_DEPTH = 3
_MOST_BYTES = 512 * 2**20


def own_kernels(loaded: LoadedRecipe, cache: Cache) -> tuple[OwnKernel, ...]:
    """The kernels that the recipe brings along. Raises BuildError for a file that cannot be read, or is no package."""
    return tuple(_own(wanted, loaded.folder, cache) for wanted in loaded.recipe.boot.kernels if wanted.files)


def with_own_kernels(facts: TreeFacts, loaded: LoadedRecipe, cache: Cache) -> TreeFacts:
    """The tree's facts, and those of the kernels that the recipe brings along.

    Raises BuildError for a file that cannot be read, or is no package.
    """
    return facts.model_copy(update={"own_kernels": own_kernels(loaded, cache)})


def _own(wanted: Kernel, directory: Path, cache: Cache) -> OwnKernel:
    paths = [directory / name for name in wanted.files]
    digests = tuple(_sha256(path) for path in paths)
    key = [wanted.kernel, wanted.files, digests, OwnKernel.model_json_schema()]
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()

    def make(entry: Path) -> None:
        kernels, usage = _plain(wanted, paths) if wanted.kernel else _packages(paths)
        own = OwnKernel(files=wanted.files, digests=digests, kernels=kernels, usage=usage)
        (entry / "facts.json").write_text(own.model_dump_json(indent=1), encoding="utf-8")

    entry, _cached = cache.get(KIND, digest, make)
    return OwnKernel.model_validate_json((entry / "facts.json").read_bytes())


def _plain(wanted: Kernel, paths: list[Path]) -> tuple[tuple[KernelInTree, ...], tuple[Usage, ...]]:
    """A kernel file and perhaps an initrd, which will both lie in /boot."""
    data = [_content(path) for path in paths]
    usage = Usage(path="/boot", content_bytes=sum(_blocks(len(part)) for part in data), inodes=len(data))
    facts = unwrap(data[0])
    if facts is None or not facts.complete:
        return (), (usage,)
    assert wanted.kernel is not None
    kernel = KernelInTree(
        path=f"/boot/{PurePosixPath(wanted.kernel).name}",
        version=facts.release or PurePosixPath(wanted.kernel).name,
        release=facts.release,
        size_bytes=len(data[0]),
        architecture=facts.architecture,
        compression=facts.compression,
        initrd=initrd_facts(f"/boot/{PurePosixPath(wanted.initrd).name}", data[1]) if wanted.initrd else None,
    )
    return (kernel,), (usage,)


def _packages(paths: list[Path]) -> tuple[tuple[KernelInTree, ...], tuple[Usage, ...]]:
    """Everything that the packages together hold."""
    found = KernelsFound()
    content: dict[str, int] = defaultdict(int)
    inodes: dict[str, int] = defaultdict(int)
    for path in paths:
        with open_named(path) as file, opened(file, path.name) as members:
            for member in members:
                name = clean_name(member.name)
                found.look_at(name, member, members)
                directory = _directory_of(name, member)
                content[directory] += _BLOCK if member.isdir() else _blocks(member.size)
                inodes[directory] += 1
    usage = tuple(Usage(path=path, content_bytes=content[path], inodes=inodes[path]) for path in sorted(content))
    return found.facts(), usage


def _directory_of(name: str, member: tarfile.TarInfo) -> str:
    parts = name.split("/") if member.isdir() else name.split("/")[:-1]
    return "/" + "/".join(parts[:_DEPTH])


def _blocks(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _content(path: Path) -> bytes:
    try:
        return read_whole(path, _MOST_BYTES)
    except OSError as error:
        raise BuildError(
            f"boot.kernels: {escaped(path.name)} cannot be read: {error.strerror}",
            resolution="name a kernel or an initrd",
        ) from error


def _sha256(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise BuildError(f"boot.kernels: {path} cannot be read: {error.strerror}") from error
