"""The closed vocabulary of a repair. Paths are those of the boot volume's filesystem."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CheckFilesystem:
    """Replay the journal and correct what its checker finds."""

    type: str


@dataclass(frozen=True, slots=True)
class DropFeatures:
    """Take features out of an ext filesystem that stays where it is: `64bit` by resize2fs, the others by tune2fs."""

    features: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Remake:
    """Make the filesystem again (`argv`: mkfs and its options, without the device) and copy every file into it.

    `mount_options`: for the old and the new one, which have the same UUID.
    """

    argv: tuple[str, ...]
    mount_options: str = ""


@dataclass(frozen=True, slots=True)
class RewriteFile:
    """Write a file's content over itself, through a kernel: no hole is left. Its inode, names and times stay."""

    path: str


@dataclass(frozen=True, slots=True)
class RepackKernel:
    """Give a kernel a second payload, compressed with gzip, behind its own (imagebuild.formats.repack)."""

    path: str


@dataclass(frozen=True, slots=True)
class WriteFile:
    """Put a file there, in place of whatever has its name (a dangling link, too)."""

    path: str
    content: str


@dataclass(frozen=True, slots=True)
class Rename:
    path: str
    name: str


@dataclass(frozen=True, slots=True)
class MakeLink:
    path: str
    target: str


Step = CheckFilesystem | DropFeatures | Remake | RewriteFile | RepackKernel | WriteFile | Rename | MakeLink


@dataclass(frozen=True, slots=True)
class Repair:
    """`changes` says what the steps change and why; `beyond`: what stays as it is, and what would help."""

    steps: tuple[Step, ...]
    changes: tuple[str, ...]
    beyond: tuple[str, ...]
