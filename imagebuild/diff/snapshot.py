"""One image, as data that can be compared."""

from __future__ import annotations

from dataclasses import dataclass, field

from imagebuild.pages.model import PackageLine


@dataclass(frozen=True, slots=True)
class FileFacts:
    """One file of the tree. `type` is one of: file, directory, link, character, block, fifo, socket.

    `sha256` is a file's content's, `target` a link's, `device` a device's "major:minor". `xattrs`: names and values
    as text. Times are left out: they differ in every build that is not reproducible, and say nothing.
    """

    type: str
    mode: int
    uid: int
    gid: int
    size_bytes: int = 0
    sha256: str = ""
    target: str = ""
    device: str = ""
    xattrs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`layout`: named facts of the disk, in order. `files` by absolute path; None: there was no image to read them
    from. `packages` None: not known."""

    name: str
    sha256: str = ""
    layout: dict[str, str] = field(default_factory=dict)
    menu: str = ""
    kernels: tuple[str, ...] = ()
    packages: tuple[PackageLine, ...] | None = None
    files: dict[str, FileFacts] | None = None
