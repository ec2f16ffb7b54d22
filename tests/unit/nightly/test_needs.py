"""What a worker must be able to do for a recipe, also where the tree alone will tell the disk's size."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagebuild.host.cache import Cache
from imagebuild.nightly.needs import needs_of
from imagebuild.nightly.worker import own_folder
from imagebuild.recipe.load import load_recipe

HEAD = "name: web\nrootfs: {debian: {suite: bookworm}}\n"
LVM = """\
disk:
  layout: hd00
  partitions:
    - {size: 256MiB, mount: /boot, filesystem: ext4}
    - {size: rest, volume_group: vg0}
  volume_groups: {vg0: [{name: root, size: rest, mount: /, filesystem: ext4}]}
"""


@pytest.mark.parametrize(
    ("disk", "needs"),
    [
        (LVM, ("guestfs",)),
        (LVM.replace("layout: hd00", "layout: hd00\n  size: 4GiB"), ("guestfs",)),
        ("disk: {layout: hd0, filesystem: reiserfs}\n", ("guestfs",)),
        ("disk: {layout: hd0, filesystem: ext4}\n", ()),
        ("disk: {layout: hd0, size: 4GiB, filesystem: ext4}\n", ()),
    ],
    ids=["volumes", "volumes and a size", "reiserfs", "ext4", "ext4 and a size"],
)
def test_the_appliance(tmp_path: Path, disk: str, needs: tuple[str, ...]) -> None:
    (tmp_path / "web.yaml").write_text(HEAD + disk)
    loaded = load_recipe(tmp_path / "web.yaml")
    assert needs_of(loaded, ()) == needs
    assert needs_of(loaded, ("static", "qemu")) == ("qemu", *needs)


def test_a_workers_own_files_are_no_entry_of_the_cache(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    with own_folder(cache) as folder:
        (folder / "worker-1").mkdir()
        assert cache.entries() == []
    assert not folder.exists()
