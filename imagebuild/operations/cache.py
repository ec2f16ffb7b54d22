"""What is cached between builds: listed, pruned, checked."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from imagebuild.host.cache import Cache, Entry, damage
from imagebuild.host.cache_kinds import KINDS, MOST_STAMPS, CacheKind, Kind
from imagebuild.host.guest import SUPERMIN
from imagebuild.host.known_digest import forget_stamps


@dataclass(frozen=True, slots=True)
class KindUse:
    """One kind of the table, and what there is of it."""

    name: str
    about: CacheKind
    entries: int
    size_bytes: int


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
        files = [path.stat().st_blocks * 512 for path in _files(cache, name)]
        uses.append(KindUse(name, about, len(own) + len(files), sum(own) + sum(files)))
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


def check_cache(cache: Cache, *, remove: bool) -> Iterator[Checked]:
    """Read every byte of every entry, one after the other. `remove`: what is damaged goes, unless it is in use."""
    for entry in cache.entries():
        lines = tuple(damage(entry))
        yield Checked(entry, lines, cache.remove(entry) if lines and remove else None)
