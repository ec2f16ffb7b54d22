"""A concept has a home: nothing outside its room, but for a few places, spells the name of a variant.

A variant (a filesystem, a boot loader, a family of distributions) is one module in the room of its kind, listed in the
room's table; everything else reads the table. Whoever adds one touches its module, the table, and the words.
"""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from imagebuild.bootloaders.table import LOADERS
from imagebuild.families.table import INITRD_TOOLS
from imagebuild.filesystems.table import FILESYSTEMS, KNOWN, identify
from imagebuild.vocabulary import BootLoader, FilesystemType, InitrdTool, RootType

CODE = Path(__file__).parents[2] / "imagebuild"
# Files that may spell a variant's name beside its room, the user's language (recipe/) and modules that bear its name.
MOST_FILES = 6
ROOMS = {
    **dict.fromkeys(("reiserfs", "xfs", "btrfs", "ext2", "ext3", "ext4", "vfat"), "filesystems"),
    **dict.fromkeys(("pv-grub", "pygrub", "pvgrub2"), "bootloaders"),
    **dict.fromkeys(("ubuntu", "fedora", "centos", "rhel", "opensuse", "mkinitramfs", "mkinitrd"), "families"),
}
# The three of the ext family share their modules.
MODULES = {name: name.rstrip("234") if name.startswith("ext") else name for name in ROOMS}


def is_at_home(path: Path, name: str) -> bool:
    """Whether the file lies in the variant's room or in a module that is called after it, or is a package's map."""
    parts = [part.removesuffix(".py") for part in path.relative_to(CODE).parts]
    if parts[-1] == "__init__" or parts[0] in (ROOMS[name], "recipe"):
        return True
    own = MODULES[name].replace("-", "_")
    return any(part == own or part.startswith(f"{own}_") for part in parts)


@pytest.mark.parametrize("name", ROOMS)
def test_a_variant_has_a_home(name: str) -> None:
    strangers = [
        path.relative_to(CODE).as_posix()
        for path in sorted(CODE.rglob("*.py"))
        if not is_at_home(path, name) and name in path.read_text(encoding="utf-8")
    ]
    assert len(strangers) <= MOST_FILES, f"give {ROOMS[name]}/ a field for what these files know: {strangers}"


def test_the_tables_hold_every_word() -> None:
    assert set(FILESYSTEMS) == set(get_args(FilesystemType))
    assert set(LOADERS) == set(get_args(BootLoader))
    assert set(INITRD_TOOLS) == set(get_args(InitrdTool))
    assert set(ROOMS) >= (set(FILESYSTEMS) | set(LOADERS)) - {"swap"}


def test_only_what_a_filesystem_writes_is_taken_for_it() -> None:
    assert identify(bytes(2**17)) is None
    assert all(filesystem.read(bytes(0x11000)) is None for filesystem in KNOWN.values())


@pytest.mark.parametrize("name", sorted(get_args(RootType)))
def test_what_holds_a_root_can_be_checked_read_and_mounted(name: FilesystemType) -> None:
    filesystem = FILESYSTEMS[name]
    assert filesystem.checker is not None
    assert filesystem.reader is not None
    assert filesystem.drivers
    assert filesystem.grub2_module
    assert filesystem.appliance_package
    assert filesystem.says_mounted
