"""What is cached between builds: listed, pruned, kept within its limit, checked."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from imagebuild.errors import UsageError
from imagebuild.host.cache import Cache, Entry, damage
from imagebuild.host.cache_kinds import KINDS, MOST_STAMPS, CacheKind, Kind
from imagebuild.host.guest import SUPERMIN
from imagebuild.host.known_digest import forget_stamps

LIMIT_VARIABLE = "IMAGEBUILD_CACHE_LIMIT"
DEFAULT_LIMIT_BYTES = 20 * 2**30


@dataclass(frozen=True, slots=True)
class KindUse:
    """One kind of the table, and what there is of it. `used`: when one was last used (seconds since 1970; 0: never)."""

    name: str
    about: CacheKind
    entries: int
    size_bytes: int
    used: float


@dataclass(frozen=True, slots=True)
class Pruned:
    """`removed` and `left`: entries. `stamps`: how many remembered digests were removed."""

    removed: tuple[Entry, ...]
    left: tuple[Entry, ...]
    stamps: int

    @property
    def left_bytes(self) -> int:
        return sum(entry.size_bytes for entry in self.left)


@dataclass(frozen=True, slots=True)
class Checked:
    """`damage`: a line for each file that is missing, changed or unknown. `removed` None: it was not to be removed."""

    entry: Entry
    damage: tuple[str, ...]
    removed: bool | None = None


def kinds_in_use(cache: Cache, entries: list[Entry]) -> list[KindUse]:
    """The whole table, also what there is nothing of."""
    uses = []
    for name, about in KINDS.items():
        own = [entry.size_bytes for entry in entries if entry.kind == name]
        stats = [path.stat() for path in _files(cache, name)]
        files = [found.st_blocks * 512 for found in stats]
        times = [*(entry.used for entry in entries if entry.kind == name), *(found.st_mtime for found in stats)]
        uses.append(KindUse(name, about, len(own) + len(files), sum(own) + sum(files), max(times, default=0.0)))
    return uses


def _files(cache: Cache, name: str) -> Iterator[Path]:
    """Of a kind without entries: all that lies there."""
    if name not in get_args(Kind):
        yield from (path for path in (cache.root / name).rglob("*") if path.is_file() and not path.is_symlink())


def prune_cache(cache: Cache, max_size_bytes: int) -> Pruned:
    """Remove the entries that were not wanted for the longest time until the rest fits; what is in use stays."""
    removed = cache.prune(max_size_bytes)
    stamps = forget_stamps(cache.root, MOST_STAMPS if max_size_bytes else 0)
    if not max_size_bytes:
        shutil.rmtree(cache.root / SUPERMIN, ignore_errors=True)
    return Pruned(tuple(removed), tuple(cache.entries()), stamps)


def parse_size(what: str, text: str) -> int:
    """`20GiB` in bytes. Raises UsageError for what is not a size; `what` is the option or variable that holds it."""
    from pydantic import ByteSize, TypeAdapter, ValidationError

    try:
        return int(TypeAdapter(ByteSize).validate_python(text))
    except ValidationError:
        raise UsageError(what, f"{text}: not a size; write 20GiB, 500MiB or 0") from None


def limit_bytes() -> int:
    """The limit of the whole cache: $IMAGEBUILD_CACHE_LIMIT, or 20 GiB. Raises UsageError."""
    text = os.environ.get(LIMIT_VARIABLE)
    return parse_size(LIMIT_VARIABLE, text) if text else DEFAULT_LIMIT_BYTES


def keep_within_limit(cache: Cache) -> Pruned | None:
    """At the end of a run: remove the least recently used entries above the limit; None: nothing was removed."""
    limit = limit_bytes()
    if sum(entry.size_bytes for entry in cache.entries()) <= limit:
        return None
    pruned = prune_cache(cache, limit)
    return pruned if pruned.removed else None


def check_cache(cache: Cache, *, remove: bool) -> Iterator[Checked]:
    """Read every byte of every entry, one after the other. `remove`: what is damaged goes, unless it is in use."""
    for entry in cache.entries():
        lines = tuple(damage(entry))
        yield Checked(entry, lines, cache.remove(entry) if lines and remove else None)
