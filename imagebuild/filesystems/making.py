"""How a filesystem is made: the options for its tool, from its type, its reader, and what the recipe adds.

Every choice that the tools would take by themselves is written out, so that another release of them makes the same
filesystem. The recipe's own options are merged in here; what imagebuild decides itself (UUID, label, place) is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from imagebuild.errors import PlanError
from imagebuild.recipe.model import FilesystemSpec

MIB = 2**20
# 4 KiB also for small boot filesystems: with the 1 KiB that mke2fs would choose there, a kernel has many more
# all-zero blocks, and each is a hole that GRUB 0.97 cannot read.
BLOCK_BYTES = 4096
INODE_BYTES = 256
Settings = dict[str, str]
Filler = Literal["nobody", "mke2fs", "--rootdir", "writer", "mtools", "kernel"]
"""Who writes the content: mke2fs, the type's own maker with --rootdir, our writer, mtools, or a kernel (appliance)."""


@dataclass(frozen=True, slots=True)
class Making:
    """`options` for the tool; `settings` as a loader's rules name them, the type among them.

    `block_bytes`, `inodes` (None: as many as the content needs) and `inode_bytes` are of use for ext only.
    """

    options: tuple[str, ...]
    settings: frozenset[str]
    filler: Filler
    features: tuple[str, ...] = ()
    block_bytes: int = BLOCK_BYTES
    inode_bytes: int = INODE_BYTES
    inodes: int | None = None


class Given:
    """The recipe's `mkfs`, read as pairs of an option and its value."""

    def __init__(self, spec: FilesystemSpec, key: str) -> None:
        self._type = spec.type
        self._key = f"{key}.mkfs" if key.endswith("filesystem") else f"{key}.filesystem.mkfs"
        self._words = [word for item in spec.mkfs for word in item.split()]

    def refused(self, what: str, resolution: str) -> PlanError:
        return PlanError(self._key, what, resolution=resolution)

    def pairs(self, allowed: tuple[str, ...]) -> list[tuple[str, str]]:
        pairs = []
        words = list(self._words)
        while words:
            word = words.pop(0)
            option, value = word, ""
            if word.startswith("--") and "=" in word:
                option, _, value = word.partition("=")
            elif not word.startswith("--") and len(word) > 2 and word.startswith("-"):
                option, value = word[:2], word[2:]
            if option not in allowed:
                raise self.refused(
                    f"{word} is not an option for {self._type}",
                    f"allowed: {', '.join(allowed)}; imagebuild sets UUID, label and offset itself",
                )
            if not value and not words:
                raise self.refused(f"{option} needs a value", f"write it after {option}")
            pairs.append((option, value or words.pop(0)))
        return pairs

    def number(self, option: str, value: str, allowed: tuple[int, ...] | None = None) -> int:
        if not value.isdigit() or (allowed is not None and int(value) not in allowed):
            choice = "a whole number" if allowed is None else ", ".join(map(str, allowed))
            raise self.refused(f"{option} {value} is not possible", f"allowed: {choice}")
        return int(value)

    def keyed(self, option: str, value: str, allowed: tuple[str, ...]) -> Settings:
        """The `key=value` pairs of one option."""
        found = {}
        for item in value.split(","):
            name, _, setting = item.partition("=")
            if name not in allowed:
                raise self.refused(
                    f"{option} {item} is not allowed for {self._type}",
                    f"allowed after {option}: {', '.join(allowed)}",
                )
            found[name] = setting
        return found


def switched(features: tuple[str, ...], value: str) -> tuple[str, ...]:
    """The features with those of an -O list switched on, or off with ^."""
    now = list(features)
    for word in value.split(","):
        name = word.removeprefix("^")
        if word.startswith("^"):
            now = [feature for feature in now if feature != name]
        elif name not in now:
            now.append(name)
    return tuple(now)


def flat(pairs: Mapping[str, str]) -> tuple[str, ...]:
    """Options and their values as words."""
    return tuple(word for pair in pairs.items() for word in pair)
