"""The shape of what is known about a type of filesystem: one that an image may hold, and one that a recipe may name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from imagebuild.bootloaders.model import Loader
from imagebuild.filesystems.making import Given, Making
from imagebuild.formats.superblocks import Superblock
from imagebuild.recipe.model import FilesystemSpec
from imagebuild.vocabulary import FilesystemType


@dataclass(frozen=True, slots=True)
class Checker:
    """The type's own checker, told to read only; the file comes last in `argv`. It ends with 0 where all is well, and
    with one of `refusals` where it is not; with any other exit code it has said nothing.

    `knows_offset`: it can look into the image itself (`FILE?offset=BYTES`), else it gets a copy. `is_limited`: it may
    be told how large a file it can write. `wants_replay`: by these words it says that a journal waits for a replay.
    """

    program: str
    package: str
    argv: tuple[str, ...]
    refusals: tuple[int, ...]
    knows_offset: bool = False
    is_limited: bool = True
    wants_replay: str = ""


@dataclass(frozen=True, slots=True)
class Grow:
    """How a mounted root grows: the program, its package in most distributions, and the line of a shell script.

    `$device` stands for the root's device.
    """

    program: str
    package: str
    line: str


@dataclass(frozen=True, slots=True)
class KernelFill:
    """How a kernel makes and fills it: `{uuid}` and `{label}` in `make` are replaced; the two last words name the label
    and go where there is none."""

    make: tuple[str, ...]
    mount_options: str = "noatime"
    make_subvolume: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Remade:
    """How a repair makes it again so that GRUB 0.97 reads it: `{uuid}` in `make`; `title` says what it is then.

    `mount_options`: for two filesystems of one UUID at the same time.
    """

    make: tuple[str, ...]
    title: str
    mount_options: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A type that is recognised in an image. `name` is blkid's word.

    `read`: its superblock, or None where there is none of this type. `reader`: which program reads single files.
    `checker` is None where there is nothing to check. `colour`: in the drawing of a disk. `show_all`: mount options
    with which a kernel shows everything that is in it. `mounted_as`: the types that fstab may give it (empty: its own
    name only). `subvolume_prefix`: of libguestfs' names for its subvolumes.
    """

    name: str
    read: Callable[[bytes], Superblock | None]
    reader: Literal["debugfs", "grub-fstest"] | None
    checker: Checker | None
    colour: str
    show_all: str = ""
    mounted_as: tuple[str, ...] = ()
    subvolume_prefix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filesystem(Known):
    """A type that a recipe may name.

    `make`: from the recipe, what it gives for the type's tool, and the boot loader that has to read it, to how it is
    made; `capacity_bytes`: how much content fits for certain, from its size and its number of inodes; below
    `least_bytes` (None: no limit of its own) its tool refuses, or nothing fits.

    `drivers`: kernel modules, any of which mounts it. `is_checked_at_boot`: fstab(5), the sixth field. `says_mounted`:
    a pattern of what the kernel says when it mounts it. `appliance_package`: the Debian package with what libguestfs'
    appliance needs for it. `grub2_module`: that of GRUB 2 which reads it. `front_bytes`: what it leaves free at its
    beginning, for a boot loader. `knows_owners`: files' owners, modes and links. `usual_options`: in fstab, where the
    recipe gives none. `short_id`: instead of a UUID a number of 32 bits (1234-ABCD). `mbr_type`: of its partition.
    """

    name: FilesystemType
    make: Callable[[FilesystemSpec, Given, Loader | None], Making]
    capacity_bytes: Callable[[int, int], int]
    least_bytes: int | None = None
    drivers: tuple[str, ...] = ()
    is_checked_at_boot: bool = False
    says_mounted: str = ""
    grow: Grow | None = None
    appliance_package: str = ""
    grub2_module: str = ""
    front_bytes: int = 0
    knows_owners: bool = True
    usual_options: str = ""
    short_id: bool = False
    mbr_type: int = 0x83
    kernel_fill: KernelFill | None = None
    remade: Remade | None = None

    @property
    def driver_options(self) -> tuple[str, ...]:
        """The kernel's configuration options that build those drivers (its fs/*/Kconfig)."""
        return tuple(f"CONFIG_{driver.upper()}_FS" for driver in self.drivers)
