"""What an interpreter may ask about the machine's disks: a Protocol, and a plain implementation of it in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

# Partitions of GRUB 0.97's numbering, from 0; None is the whole disk.
Partition = int | None


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file, and its size in bytes."""

    size_bytes: int


@dataclass(frozen=True, slots=True)
class Missing:
    """GRUB 0.97's error number for a path that does not lead to a regular file (15, 2, 26, 16 …)."""

    error: int


class Files(Protocol):
    """The disks as the loader sees them. A method answers None where it cannot be told from outside."""

    def disks(self) -> int:
        """How many hard disks there are: hd0, hd1 …"""
        ...

    def partitions(self, disk: int) -> Mapping[int, int] | None:
        """The partitions of a disk that the loader sees: number to type; None: it has no partition table."""
        ...

    def mounts(self, disk: int, partition: Partition) -> bool | None:
        """Whether the loader can read a filesystem there."""
        ...

    def find(self, disk: int, partition: Partition, path: str) -> Found | Missing | None:
        """The file at an absolute path without repeated slashes; symbolic links are followed."""
        ...

    def read(self, disk: int, partition: Partition, path: str, most_bytes: int) -> bytes | None:
        """The beginning of a regular file that `find` found."""
        ...

    def boots(self, disk: int, partition: Partition, path: str) -> int | None:
        """0: the loader can start the kernel in this file. Its error number otherwise."""
        ...


@dataclass(frozen=True, slots=True)
class KnownFiles:
    """Facts that are written down: what tests give, and what is known of a menu that is only planned.

    `content`: (disk, partition) to path to bytes. `kernels`: the error number with which a file does not boot (0: it
    boots), for paths that are not listed `other_kernels`.
    """

    content: Mapping[tuple[int, Partition], Mapping[str, bytes]] = field(default_factory=dict)
    tables: Mapping[int, Mapping[int, int] | None] = field(default_factory=lambda: {0: None})
    directories: frozenset[str] = frozenset()
    kernels: Mapping[str, int] = field(default_factory=dict)
    other_kernels: int = 0

    def disks(self) -> int:
        return max(self.tables, default=-1) + 1

    def partitions(self, disk: int) -> Mapping[int, int] | None:
        return self.tables[disk]

    def mounts(self, disk: int, partition: Partition) -> bool | None:
        return (disk, partition) in self.content

    def find(self, disk: int, partition: Partition, path: str) -> Found | Missing | None:
        files = self.content[disk, partition]
        if path in files:
            return Found(len(files[path]))
        if path in self.directories:
            return Missing(2)
        parents = [path[:at] for at, char in enumerate(path) if char == "/" and at]
        return Missing(2 if any(parent in files for parent in parents) else 15)

    def read(self, disk: int, partition: Partition, path: str, most_bytes: int) -> bytes | None:
        return self.content[disk, partition][path][:most_bytes]

    def boots(self, disk: int, partition: Partition, path: str) -> int | None:
        return self.kernels.get(path, self.other_kernels)


@dataclass(frozen=True, slots=True)
class EverythingThere:
    """Facts of a machine on which every file exists and boots: for reading a menu back without an image.

    `partitioned`: hd0 has partitions 0 to 3; else it is one filesystem without a table.
    """

    partitioned: bool | None = None

    def disks(self) -> int:
        return 1

    def partitions(self, disk: int) -> Mapping[int, int] | None:
        return None if self.partitioned is False else dict.fromkeys(range(4), 0x83)

    def mounts(self, disk: int, partition: Partition) -> bool | None:
        return self.partitioned is None or (partition is not None) == self.partitioned

    def find(self, disk: int, partition: Partition, path: str) -> Found | Missing | None:
        return Missing(2) if path.endswith("/") else Found(2**20)

    def read(self, disk: int, partition: Partition, path: str, most_bytes: int) -> bytes | None:
        return None

    def boots(self, disk: int, partition: Partition, path: str) -> int | None:
        return 0
