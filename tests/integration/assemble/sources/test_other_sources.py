"""Folders and OCI layouts: what comes out of the finished filesystem is what went in."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.assemble.sources import trees
from tests.integration.assemble.sources.ext_reader import read_ext
from tests.unit.rootfs.oci_layouts import Members, entry, file, put_image, tagged, write_layout

pytestmark = [pytest.mark.integration, pytest.mark.needs("namespace", "mke2fs", "debugfs")]


def write_boot_files(tree: Path) -> None:
    for name in ("boot", "etc", "dev", "proc", "run", "tmp"):
        (tree / name).mkdir(parents=True, exist_ok=True)
    for name, content in trees.boot_files().items():
        (tree / name).write_bytes(content)


@pytest.mark.needs("root")
def test_a_folder_as_root_keeps_its_owners(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    write_boot_files(tree)
    (tree / "srv").mkdir(mode=0o750)
    (tree / "srv/file").write_bytes(b"x")
    os.chown(tree / "srv/file", 1234, 4321)
    (tree / "srv/file").chmod(0o4711)
    (tree / "srv/hard").hardlink_to(tree / "srv/file")
    os.mknod(tree / "dev/console", stat.S_IFCHR | 0o600, os.makedev(5, 1))
    os.setxattr(tree / "srv/file", "security.selinux", b"label\0")
    (tree / os.fsdecode(b"srv/caf\xe9\n")).write_bytes(b"odd")
    recipe = trees.write_recipe(tmp_path, "{directory: tree}")
    assert trees.build(recipe, tmp_path / "image.raw", tmp_path / "cache") == ""
    found = read_ext(tmp_path / "image.raw")
    entry_ = found[b"srv/file"]
    assert (entry_.mode, entry_.uid, entry_.gid) == (0o4711 | stat.S_IFREG, 1234, 4321)
    assert entry_.xattrs == {"security.selinux": b"label\0"}
    assert found[b"srv/hard"].inode == entry_.inode
    assert found[b"dev/console"].content == b"c 5 1"
    assert found[b"srv/caf\xe9\n"].content == b"odd"
    assert found[b"srv"].mode == 0o750 | stat.S_IFDIR


@pytest.fixture
def users_folder(ordinary_user: str) -> Iterator[tuple[str, Path]]:
    """A folder of an ordinary user's, for tests that run as root."""
    folder = Path(subprocess.check_output(["mktemp", "-d", "/tmp/imagebuild-test-XXXXXX"], text=True).strip())
    yield ordinary_user, folder
    shutil.rmtree(folder)


def test_a_folder_of_an_ordinary_user_becomes_roots(users_folder: tuple[str, Path]) -> None:
    user, folder = users_folder
    write_boot_files(folder / "tree")
    recipe = trees.write_recipe(folder, "{directory: tree}")
    subprocess.run(["chown", "-R", f"{user}:{user}", folder], check=True)
    assert trees.build(recipe, folder / "image.raw", folder / "cache", user) == ""
    found = read_ext(folder / "image.raw")
    assert {(entry_.uid, entry_.gid) for entry_ in found.values()} == {(0, 0)}
    # A file of somebody else's is not given away.
    (folder / "tree/etc/strange").touch()
    complaint = trees.build(recipe, folder / "image.raw", folder / "cache", user)
    assert "tree/etc/strange belongs to user 0, who is neither you nor" in complaint


def test_an_oci_layout(tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    layout.mkdir()
    folders = [entry(name, tarfile.DIRTYPE) for name in ("boot", "etc", "dev", "proc", "run", "tmp", "srv")]
    base: Members = [*folders, *(file(name, content) for name, content in trees.boot_files().items())]
    base += [file("srv/old", b"old"), file("srv/hidden"), entry("dev/null", tarfile.CHRTYPE, devmajor=1, devminor=3)]
    upper: Members = [file("srv/.wh.hidden"), file("srv/old", b"new", uid=1000, gid=1000, mode=0o600)]
    write_layout(layout, [tagged(put_image(layout, [base, upper]), "v1"), tagged(put_image(layout, [base]), "v0")])
    recipe = trees.write_recipe(tmp_path, "{oci: {path: layout, tag: v1}}")
    assert trees.build(recipe, tmp_path / "image.raw", tmp_path / "cache") == ""
    found = read_ext(tmp_path / "image.raw")
    assert b"srv/hidden" not in found
    old = found[b"srv/old"]
    assert (old.content, old.uid, old.gid, old.mode) == (b"new", 1000, 1000, 0o600 | stat.S_IFREG)
    assert found[b"dev/null"].content == b"c 1 3"


def test_an_oci_layout_of_several_images_wants_a_tag(tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    layout.mkdir()
    write_layout(layout, [tagged(put_image(layout, [[file(name)]]), name) for name in ("one", "two")])
    recipe = trees.write_recipe(tmp_path, "{oci: layout}")
    complaint = trees.build(recipe, tmp_path / "image.raw", tmp_path / "cache")
    assert "holds 2 images for amd64" in complaint
    assert "it contains: one, two" in complaint
