"""ext filesystems are made by our own settings, whatever this machine's /etc/mke2fs.conf says."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagebuild.assemble.inside.ext import SETTINGS
from imagebuild.host import command

pytestmark = [pytest.mark.integration, pytest.mark.needs("e2fsprogs")]
NOTHING = "Filesystem features:      (none)"


def made(path: Path, size: str, settings: Path) -> tuple[str, str]:
    """What mke2fs said, and the superblock that it wrote."""
    words = ["mke2fs", "-q", "-F", "-t", "ext4", str(path), size]
    said = command.run(words, doing="mke2fs", environment={"MKE2FS_CONFIG": str(settings)})
    return said, command.run(["dumpe2fs", "-h", str(path)], doing="dumpe2fs")


@pytest.mark.parametrize("size", ["2M", "100M", "1G"])
def test_nothing_is_left_to_the_releases_defaults(size: str, tmp_path: Path) -> None:
    said, superblock = made(tmp_path / "ours", size, SETTINGS)
    assert "not defined" not in said, "every size has its settings"
    assert NOTHING in superblock
    assert "Block size:               4096" in superblock
    assert "Default mount options:    user_xattr acl" in superblock


def test_another_settings_file_would_show(tmp_path: Path) -> None:
    """The variable is heeded: e2fsprogs 1.47.2 has orphan_file among its defaults for ext4, as this one has."""
    theirs = tmp_path / "mke2fs.conf"
    theirs.write_text("[defaults]\n\tbase_features = filetype\n[fs_types]\n\text4 = {\n\t\tfeatures = extent\n\t}\n")
    _said, superblock = made(tmp_path / "theirs", "1G", theirs)
    assert NOTHING not in superblock
