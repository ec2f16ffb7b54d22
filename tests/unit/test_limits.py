"""Small inputs that unpack to gigabytes, or pretend to be terabytes: each is refused with the limit's name, or read, by
a process that gets no more than 1 GiB of memory."""

from __future__ import annotations

import gzip
import lzma
import os
import resource
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import lz4.block
import pytest
import zstandard

from imagebuild import limits
from imagebuild.errors import UsageError
from imagebuild.host.command import clean_environment
from imagebuild.rootfs.archive import unpacked
from imagebuild.rootfs.rpm_database import rpm_packages
from imagebuild.testhost import initramfs

_MEMORY_BYTES = 2**30
_PIECE = bytes(64 * 2**20)
_TIB = 2**40
INITRD = "from imagebuild.formats.initrd import read_initrd; read_initrd(Path(sys.argv[1]).read_bytes())"
KERNEL = "from imagebuild.formats.kernel_file import unwrap; print(unwrap(Path(sys.argv[1]).read_bytes()))"
TREE = "from imagebuild.rootfs.facts import read_tree; print(read_tree(Path(sys.argv[1]), '0' * 64)[1].rpm_packages)"
DIGEST = "from imagebuild.rootfs.directory import directory_digest; print(directory_digest(Path(sys.argv[1])))"
IMAGE = """
from imagebuild.image.subject import open_subject
from imagebuild.testhost import Tools
with open_subject(Path(sys.argv[1]), Tools(Path('/')), Path(sys.argv[1]).parent): pass
"""
DIFF = """
from imagebuild.diff.ext_tree import ExtTree
ExtTree(Path(sys.argv[1]), 0, Path(sys.argv[1]).parent).files()
"""


def _limited(script: str, path: Path) -> str:
    """What a process prints that gets little memory: its last line."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\nfrom pathlib import Path\n{script}", str(path)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES)),
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert "MemoryError" not in done.stderr
    return (done.stdout + done.stderr).strip().splitlines()[-1]


def _times(packed: bytes, count: int) -> bytes:
    return b"".join([packed] * count)


INITRDS: dict[str, Callable[[], bytes]] = {
    "zstd": lambda: _times(zstandard.compress(_PIECE), 20),
    "lz4": lambda: b"\x02\x21\x4c\x18" + _times(_lz4_block(), 200),
}


def _lz4_block() -> bytes:
    packed = lz4.block.compress(_PIECE[: 8 * 2**20], store_size=False)
    return bytes(len(packed).to_bytes(4, "little") + packed)


@pytest.mark.parametrize("packing", INITRDS)
def test_an_initrd_that_unpacks_to_gigabytes(packing: str, tmp_path: Path) -> None:
    path = tmp_path / "initrd"
    path.write_bytes(INITRDS[packing]())
    said = _limited(INITRD, path)
    assert "InitrdLimitError: it unpacks to more than that: imagebuild reads 1 GiB of an unpacked initrd" in said
    assert "IMAGEBUILD_LIMITS=2" in said


def test_an_initrd_that_wants_much_memory(tmp_path: Path) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 2**30}]
    (tmp_path / "initrd").write_bytes(lzma.compress(b"", filters=filters))
    packed = (tmp_path / "initrd").read_bytes()
    (tmp_path / "initrd").write_bytes(packed + lzma.compress(bytes(10), filters=[{**filters[0], "dict_size": 2**20}]))
    assert "InitrdError" in _limited(INITRD, tmp_path / "initrd")


def test_an_initrd_of_very_many_files(tmp_path: Path) -> None:
    archive = b"".join(initramfs.archive([initramfs.file(f"{n}-{m}", b"") for m in range(5000)]) for n in range(41))
    (tmp_path / "initrd").write_bytes(zstandard.compress(archive))
    assert "imagebuild reads 200000 files of an initrd at most" in _limited(INITRD, tmp_path / "initrd")


def test_a_kernel_that_unpacks_to_gigabytes(tmp_path: Path) -> None:
    kernel = b"\x7fELF\x02\x01\x01" + bytes(11) + b"\x3e\x00" + bytes(300 * 2**20)
    (tmp_path / "kernel").write_bytes(gzip.compress(kernel, compresslevel=1))
    assert "complete=False" in _limited(KERNEL, tmp_path / "kernel")


def _tar(path: Path, members: int, attribute_bytes: int) -> Path:
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT, compresslevel=1) as archive:
        for number in range(members):
            member = tarfile.TarInfo(f"file{number}")
            member.pax_headers = {"SCHILY.xattr.trusted.a": "a" * attribute_bytes}
            archive.addfile(member)
    return path


@pytest.mark.parametrize(("members", "attribute_bytes", "limit"), [
    (3, 8 * 2**20, "1 MiB of the header of a file in an archive"),
    (90, 900_000, "64 MiB of the extended attributes in an archive"),
])  # fmt: skip
def test_an_archive_of_huge_attributes(members: int, attribute_bytes: int, limit: str, tmp_path: Path) -> None:
    path = _tar(tmp_path / "rootfs.tar.gz", members, attribute_bytes)
    said = _limited(f"try:\n {TREE}\nexcept Exception as error: print(type(error).__name__, error.details)", path)
    assert said.startswith("BuildError ")
    assert f"imagebuild reads {limit} at most" in said


def _with_database(path: Path, size_bytes: int, start: bytes) -> Path:
    """An archive with an rpm database of zeros behind `start`, made without holding it."""
    member = tarfile.TarInfo("usr/lib/sysimage/rpm/rpmdb.sqlite")
    member.size = size_bytes
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(member.tobuf() + start)
        left = size_bytes - len(start)
        while left:
            left -= file.write(_PIECE[: min(left, len(_PIECE))])
        file.write(bytes(-size_bytes % 512 + 1024))
    return path


def test_an_rpm_database_of_zeros(tmp_path: Path) -> None:
    assert "no SQLite file" in _limited(TREE, _with_database(tmp_path / "a.tar.gz", 300 * 2**20, b""))
    assert "imagebuild reads 1 GiB of an rpm database" in rpm_packages(BytesIO(b"SQLite format 3\0"), 2**31)[1]


@pytest.mark.parametrize("script", [
    "CREATE VIEW Packages AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x FROM n)"
    " SELECT zeroblob(1e9) blob FROM n",
    "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL);"
    "INSERT INTO Packages (blob) VALUES (zeroblob(90000000))",
])  # fmt: skip
def test_an_rpm_database_that_computes(script: str, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "rpmdb") as connection:
        connection.executescript(script)
    database = (tmp_path / "rpmdb").read_bytes()
    path = _with_database(tmp_path / "a.tar.gz", len(database), database)
    assert "the tree's rpm database cannot be read" in _limited(TREE, path)


def test_an_image_of_terabytes(tmp_path: Path) -> None:
    path = tmp_path / "image.raw"
    with path.open("wb") as file:
        file.truncate(8 * _TIB)
    assert "imagebuild reads 2 TiB of a disk image, holes included at most" in _limited(IMAGE, path)


def test_a_directory_with_a_hole_of_terabytes(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    path = tmp_path / "tree" / "lastlog"
    with path.open("wb") as file:
        file.truncate(8 * _TIB)
    first = _limited(DIGEST, tmp_path / "tree")
    status = path.stat()
    with path.open("r+b") as file:
        file.seek(5 * _TIB)
        file.write(b"x")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert len({first, _limited(DIGEST, tmp_path / "tree")}) == 2


def test_a_hole_of_terabytes_in_an_image(tmp_path: Path, needs: Callable[..., None]) -> None:
    needs("mke2fs", "debugfs")
    (tmp_path / "tree").mkdir()
    with (tmp_path / "tree" / "lastlog").open("wb") as file:
        file.truncate(8 * _TIB)
    image = tmp_path / "image.raw"
    argv = ["mke2fs", "-q", "-t", "ext4", "-d", str(tmp_path / "tree"), str(image), "16M"]
    subprocess.run(argv, check=True, env=clean_environment())
    assert "imagebuild reads 16 GiB of holes in the files of an image at most" in _limited(DIFF, image)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", "٣", "99999", ""])
def test_what_is_no_factor(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    limits.factor.cache_clear()
    monkeypatch.setenv(limits.ENVIRONMENT_VARIABLE, text)
    try:
        with pytest.raises(UsageError):
            limits.factor()
    finally:
        limits.factor.cache_clear()


def test_each_limit_can_be_raised_and_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    declared = [value for value in vars(limits).values() if isinstance(value, limits.Limit)]
    assert sorted(declared, key=str) == sorted(limits.LIMITS, key=str)
    usual = [limit.most for limit in declared]
    limits.factor.cache_clear()
    monkeypatch.setenv(limits.ENVIRONMENT_VARIABLE, "4")
    try:
        assert [limit.most for limit in declared] == [4 * most for most in usual]
        assert limits.BOOT_FILE.shown == "512 MiB of an initrd or kernel"
    finally:
        limits.factor.cache_clear()


def test_an_archive_of_several_streams() -> None:
    packed = lzma.compress(b"one ") + lzma.compress(b"two") + bytes(4)
    assert unpacked(BytesIO(packed)).read() == b"one two"
    with pytest.raises(EOFError):
        unpacked(BytesIO(packed[:40])).read()
