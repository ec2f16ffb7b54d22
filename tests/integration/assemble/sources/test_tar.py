"""A tar archive with everything that tar can hold comes out of the finished filesystem as it went in."""

from __future__ import annotations

import os
import stat
import struct
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest

from tests.integration.assemble.sources import trees
from tests.integration.assemble.sources.ext_reader import read_ext
from tests.integration.assemble.sources.trees import EPOCH, add, member

pytestmark = [pytest.mark.integration, pytest.mark.needs("namespace", "mke2fs", "debugfs")]

LATIN = b"caf\xe9".decode("utf-8", "surrogateescape")
CAPABILITY = struct.pack("<IIIII", 0x02000001, 0x2000, 0, 0, 0)  # cap_net_raw+ep (linux/capability.h)
XATTRS = {
    "user.note": b"with \n and \xff",
    "security.capability": CAPABILITY,
    "security.selinux": b"system_u:object_r:bin_t:s0\0",
    "trusted.overlay": b"y",
}
FILES: dict[str, tuple[tarfile.TarInfo, bytes]] = {
    name: (member(name, **fields), content)  # type: ignore[arg-type]  # numbers, for TarInfo
    for name, content, fields in [
        ("srv/plain", b"hello", {"uid": 7, "gid": 9, "mode": 0o640}),
        ("srv/setuid", b"x", {"mode": 0o4755}),
        ("srv/nothing", b"", {"mode": 0}),
        ("srv/large-ids", b"x", {"uid": 65533, "gid": 65533}),
        ("srv/line\nbreak", b"newline", {}),
        ("srv/grüße 漢字", b"utf-8", {}),
        (f"srv/{LATIN}", b"latin-1", {}),
        ("srv/" + "n" * 255, b"long name", {}),
        ("srv/" + "/".join(["deep" * 20] * 6) + "/file", b"long path", {}),
        ('srv/quo"te \\ and \ttab', b"awkward", {}),
        ("srv/old", b"", {"mtime": 1}),
    ]
}


def make_nasty(path: Path) -> None:
    """Sparse by GNU tar itself, the rest by Python's tarfile: neither is what unpacks or reads it later."""
    folder = path.parent / "holes"
    (folder / "srv").mkdir(parents=True)
    with (folder / "srv/sparse").open("wb") as file:
        file.seek(30 * 2**20)
        file.write(b"behind the hole")
    os.utime(folder / "srv/sparse", (EPOCH, EPOCH))
    words = ["tar", "--create", "--sparse", "--format=posix", f"--file={path}", f"--directory={folder}", "srv/sparse"]
    subprocess.run(words, check=True)
    with tarfile.open(path, "a", format=tarfile.PAX_FORMAT, encoding="utf-8", errors="surrogateescape") as archive:
        trees.add_boot_files(archive)
        add(archive, member("./", tarfile.DIRTYPE, mode=0o711))
        add(archive, member("srv", tarfile.DIRTYPE, mode=0o2775, gid=50))
        add(archive, member("tmp", tarfile.DIRTYPE, mode=0o1777))
        for info, content in FILES.values():
            add(archive, info, content)
        add(archive, member("srv/hard", tarfile.LNKTYPE, linkname="srv/plain"))
        add(archive, member("srv/soft", tarfile.SYMTYPE, linkname="../etc/hostname", uid=3))
        add(archive, member("srv/absolute", tarfile.SYMTYPE, linkname="/etc/hostname"))
        add(archive, member("srv/dangling", tarfile.SYMTYPE, linkname="y" * 200))
        add(archive, member("srv/fifo", tarfile.FIFOTYPE, mode=0o620))
        add(archive, member("dev/null", tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666))
        add(archive, member("srv/disk node", tarfile.BLKTYPE, devmajor=202, devminor=1, mode=0o660, uid=5, gid=6))
        headers = {f"SCHILY.xattr.{key}": value.decode("utf-8", "surrogateescape") for key, value in XATTRS.items()}
        add(archive, member("srv/attributes", mode=0o755, pax_headers=headers), b"x")
        acl = "user::rw-\nuser:7:r--\ngroup::r--\nmask::r--\nother::---\n"
        add(archive, member("srv/acl", mode=0o640, pax_headers={"SCHILY.acl.access": acl}), b"x")


@pytest.fixture(scope="module")
def nasty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("nasty") / "nasty.tar"
    make_nasty(path)
    return path


def build_and_check(nasty: Path, folder: Path, user: str | None) -> None:
    subprocess.run(["zstd", "-q", "-o", str(folder / "rootfs.tar.zst"), str(nasty)], check=True)
    recipe = trees.write_recipe(folder, "{tar: rootfs.tar.zst}")
    assert trees.build(recipe, folder / "image.raw", folder / "cache", user) == ""
    check_everything(folder / "image.raw")


def test_everything_is_kept(nasty: Path, tmp_path: Path) -> None:
    build_and_check(nasty, tmp_path, None)


def test_an_ordinary_user_keeps_everything_too(nasty: Path, ordinary_user: str) -> None:
    with tempfile.TemporaryDirectory(prefix="imagebuild-test-", dir="/tmp") as name:
        subprocess.run(["chown", ordinary_user, name], check=True)
        build_and_check(nasty, Path(name), ordinary_user)


def check_everything(image: Path) -> None:
    subprocess.run(["/sbin/e2fsck", "-fn", str(image)], check=True, capture_output=True)
    found = read_ext(image)
    for name, (info, content) in FILES.items():
        entry = found[name.encode("utf-8", "surrogateescape")]
        assert (entry.mode, entry.uid, entry.gid) == (info.mode | stat.S_IFREG, info.uid, info.gid), name
        assert (entry.content, entry.mtime) == (content, info.mtime), name
    assert found[b"srv/hard"].inode == found[b"srv/plain"].inode
    assert found[b"srv/soft"].content == b"../etc/hostname"
    assert found[b"srv/soft"].uid == 3
    assert found[b"srv/absolute"].content == b"/etc/hostname"
    assert found[b"srv/dangling"].content == b"y" * 200
    assert found[b"srv/fifo"].mode == 0o620 | stat.S_IFIFO
    assert (found[b"srv"].mode, found[b"srv"].gid) == (0o2775 | stat.S_IFDIR, 50)
    assert found[b"tmp"].mode == 0o1777 | stat.S_IFDIR
    assert found[b"srv/sparse"].content == bytes(30 * 2**20) + b"behind the hole"
    assert found[b"srv/sparse"].blocks < 100, "the hole is still one"
    null, node = found[b"dev/null"], found[b"srv/disk node"]
    assert (null.mode, null.content, null.mtime) == (0o666 | stat.S_IFCHR, b"c 1 3", EPOCH)
    assert (node.mode, node.content, node.uid, node.gid) == (0o660 | stat.S_IFBLK, b"b 202 1", 5, 6)
    assert found[b"srv/attributes"].xattrs == XATTRS
    assert list(found[b"srv/acl"].xattrs) == ["system.posix_acl_access"]
    assert found[b""].mode == 0o711 | stat.S_IFDIR


@pytest.mark.parametrize(
    ("program", "name"),
    [
        ("gzip -c", "a.tar.gz"), ("bzip2 -c", "a.tar.bz2"), ("xz -c -0 --block-size=1MiB", "a.tar.xz"),
        ("xz -c --format=lzma -0", "a.tar.lzma"), ("zstd -c", "a.tgz"), ("cat", "plain"),
    ],
)  # fmt: skip
def test_any_compression(program: str, name: str, tmp_path: Path) -> None:
    """By content, not by name; several streams one after the other count as one."""
    with tarfile.open(tmp_path / "plain.tar", "w") as archive:
        trees.add_boot_files(archive)
    data = (tmp_path / "plain.tar").read_bytes()
    half = len(data) // 2 if program != "xz -c --format=lzma -0" else len(data)  # lzma has no streams
    packed = b"".join(
        subprocess.run(program.split(), input=part, stdout=subprocess.PIPE, check=True).stdout
        for part in (data[:half], data[half:])
        if part
    )
    (tmp_path / name).write_bytes(packed)
    recipe = trees.write_recipe(tmp_path, f"{{tar: {name}}}")
    assert trees.build(recipe, tmp_path / "image.raw", tmp_path / "cache") == ""
    assert read_ext(tmp_path / "image.raw")[b"etc/hostname"].content == b"test\n"
