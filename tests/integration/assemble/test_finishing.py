"""Files that are written into laid filesystems: the same as if they had been in the tree, without laying it again."""

from __future__ import annotations

import dataclasses
import subprocess
import tarfile
from pathlib import Path

import pytest

from imagebuild.errors import BuildError
from imagebuild.events import Quiet
from imagebuild.host.cache import Cache
from imagebuild.operations.image import Built, build_image
from imagebuild.plan import planner
from imagebuild.plan.disk_vocabulary import MakeExt
from imagebuild.plan.finishing import SplitEdits
from imagebuild.recipe.load import load_recipe
from tests.integration.assemble.sources import trees
from tests.integration.assemble.sources.ext_reader import Entry, read_ext
from tests.integration.assemble.sources.trees import add, member

pytestmark = [pytest.mark.integration, pytest.mark.needs("namespace", "mke2fs", "debugfs")]

HASH = "$y$j9T$hunter2"
DISKS = {
    "hd0": "{layout: hd0, size: 48MiB, filesystem: ext4}",
    # of metadata_csum, which every change has to reckon anew, the boot filesystem has none
    "hd00": "{layout: hd00, partitions: [{mount: /boot, size: 40MiB, filesystem: ext2}, "
    "{mount: /, size: 48MiB, filesystem: ext4}, {mount: /srv/data, size: 16MiB, filesystem: ext3}]}",
}
RECIPE = """\
name: {name}
rootfs: {{tar: rootfs.tar}}
disk: {disk}
verify: {{qemu: false}}
system:
  hostname: finished
  timezone: Europe/Berlin
  root_password: {{hash: {hash}}}
  users: [{{name: admin, groups: [adm]}}]
files:
  - {{path: /etc/motd, content: "hello\\n"}}
  - {{path: /lib/through/a/link, content: "deep\\n", mode: "0600"}}
  - {{path: "/srv/with \\"quotes\\" and spaces", content: ""}}
  - {{path: /srv/data/inside, content: "in another filesystem\\n"}}
  - {{path: /etc/alternative, content: "no link any more\\n"}}
  - {{path: /etc/zeros, source: zeros, mode: "0755"}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A recipe's folder, with an archive of a tree that has links, hard links and attributes in the way."""
    with tarfile.open(tmp_path / "rootfs.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        trees.add_boot_files(archive)
        for name in ("usr", "usr/lib", "usr/lib/through", "home", "root", "srv", "etc/skel"):
            add(archive, member(f"./{name}", tarfile.DIRTYPE, gid=7 if name == "srv" else 0))
        for name, target in (("lib", "usr/lib"), ("etc/alternative", "motd"), ("etc/mtab", "../proc/mounts")):
            add(archive, member(f"./{name}", tarfile.SYMTYPE, linkname=target))
        attributes = {"SCHILY.xattr.user.note": "kept"}
        for name, text, mode in (
            ("passwd", "root:x:0:0:root:/root:/bin/sh\n", 0o644), ("shadow", "root:*:1:0:99999:7:::\n", 0o640),
            ("group", "root:x:0:\nadm:x:4:\n", 0o644), ("motd", "old\n", 0o644), ("skel/.profile", "x\n", 0o644),
        ):  # fmt: skip
            add(archive, member(f"./etc/{name}", mode=mode, pax_headers=attributes), text.encode())
        add(archive, member("./etc/group-", tarfile.LNKTYPE, linkname="./etc/group"))
        add(archive, member("./etc/motd.same", tarfile.LNKTYPE, linkname="./etc/motd"))
    (tmp_path / "zeros").write_bytes(b"x" + bytes(3 * 4096) + b"x")
    return tmp_path


def write_recipe(folder: Path, disk: str, *, name: str = "test", more: str = "") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(RECIPE.format(name=name, disk=DISKS[disk], hash=HASH) + more)
    return path


def build(recipe: Path, image: Path, cache: Path) -> tuple[Built, bool]:
    """What was built, and whether its filesystems were laid already."""
    progress = Quiet()
    secrets = {"system.root_password": HASH}
    built = build_image(load_recipe(recipe), image, cache=Cache(cache), progress=progress, secrets=secrets)
    return built, next(stage.cached for stage in progress.stages if stage.name == "filesystems")


def contents(image: Path, built: Built) -> dict[str, dict[bytes, Entry]]:
    """All names of all filesystems, without what only says where something lies."""
    found = {}
    for step in built.plan.disk:
        if isinstance(step, MakeExt):
            assert step.region
            subprocess.run(
                ["e2fsck", "-fn", f"{image}?offset={step.region.offset_bytes}"], check=True, capture_output=True
            )
            found[step.mountpoint] = {
                name: dataclasses.replace(entry, inode=0)
                for name, entry in read_ext(image, step.region.offset_bytes).items()
            }
    return found


@pytest.mark.parametrize("disk", list(DISKS))
def test_as_if_it_had_been_in_the_tree(disk: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = write_recipe(folder, disk)
    finished, laid = build(recipe, folder / "finished.raw", folder / "cache")
    again, laid_again = build(recipe, folder / "again.raw", folder / "cache")
    assert (laid, laid_again) == (False, True)
    assert (folder / "finished.raw").read_bytes() == (folder / "again.raw").read_bytes()
    assert finished.plan.finishing
    monkeypatch.setattr(planner, "split_edits", lambda edits, _disk: SplitEdits(tuple(edits)))
    in_one, _laid = build(recipe, folder / "in-one.raw", folder / "cache-2")
    assert not in_one.plan.finishing
    assert contents(folder / "again.raw", again) == contents(folder / "in-one.raw", in_one)


def test_hard_links_and_attributes_stay(folder: Path) -> None:
    built, _laid = build(write_recipe(folder, "hd0"), folder / "i.raw", folder / "cache")
    found = read_ext(folder / "i.raw")
    assert built.plan.finishing
    assert found[b"etc/group"] == found[b"etc/group-"], "changed in place: both names are still the same file"
    assert b"adm:x:4:admin" in found[b"etc/group"].content
    assert found[b"etc/passwd"].xattrs == {"user.note": b"kept"}
    assert (found[b"etc/motd"].content, found[b"etc/motd.same"].content) == (b"hello\n", b"old\n"), "replaced: parted"
    assert found[b"etc/motd"].xattrs == {}
    assert found[b'srv/with "quotes" and spaces'].content == b""
    assert found[b"home/admin/.profile"].mtime == trees.EPOCH


def test_other_images_share_what_is_laid(folder: Path) -> None:
    """Another name, another identity, another menu: the tree is not laid again, and nothing of one is in the other."""
    build(write_recipe(folder, "hd0"), folder / "one.raw", folder / "cache")
    other = write_recipe(folder, "hd0", name="other", more="boot: {timeout: 7}\n")
    built, laid = build(other, folder / "other.raw", folder / "cache")
    assert laid
    assert b"timeout 7" in read_ext(folder / "other.raw")[b"boot/grub/menu.lst"].content
    [uuid] = [step.uuid for step in built.plan.disk if isinstance(step, MakeExt)]
    words = ["blkid", "-o", "value", "-s", "UUID", str(folder / "other.raw")]
    assert subprocess.run(words, capture_output=True, text=True).stdout.strip() == uuid
    kept = b"".join(path.read_bytes() for path in (folder / "cache" / "filesystems").rglob("*") if path.is_file())
    assert HASH.encode() not in kept


def test_what_debugfs_cannot_do_is_said(folder: Path) -> None:
    """A file that does not fit: the build ends with its reason, and without an image."""
    with (folder / "zeros").open("wb") as file:
        for number in range(12):
            file.write(bytes([number + 1]) * 2**22)
    with pytest.raises(BuildError, match="writing files into / failed: there is not enough space") as caught:
        build(write_recipe(folder, "hd0"), folder / "i.raw", folder / "cache")
    assert "allocate block" in caught.value.details
    assert not (folder / "i.raw").exists()
