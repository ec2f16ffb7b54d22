"""Real ext images, read by debugfs and compared with what was put into them."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from imagebuild.diff.ext_tree import ExtTree
from imagebuild.errors import VerifyError

pytestmark = [pytest.mark.integration, pytest.mark.needs("mke2fs", "debugfs", "root")]
OFFSET = 2**20
STATUS = "Package: {0}\nStatus: install ok installed\nVersion: {1}\nArchitecture: amd64\n\n"


def tree(folder: Path) -> Path:
    """What is hard to read: odd names, long links, hard links, devices, attributes, sparse and empty files."""
    folder.mkdir()
    (folder / "etc").mkdir()
    (folder / "etc/empty").write_bytes(b"")
    (folder / "etc/with 'odd\n name ä").write_bytes(b"debugfs: cat <12>\n" * 10)
    (folder / "etc/fstab").write_text("UUID=1 / ext4 defaults 0 1\n")
    (folder / "large").write_bytes(os.urandom(3_000_001))
    with (folder / "sparse").open("wb") as file:
        file.seek(2_000_000)
        file.write(b"end")
    (folder / "setuid").write_bytes(b"x")
    (folder / "setuid").chmod(0o4711)
    os.chown(folder / "setuid", 70000, 12)
    (folder / "hard").hardlink_to(folder / "large")
    (folder / "short").symlink_to("etc/fstab")
    (folder / "long").symlink_to("x/" * 100)
    os.mknod(folder / "null", 0o020666, os.makedev(1, 3))
    os.mkfifo(folder / "pipe")
    os.setxattr(folder / "setuid", "user.note", b"hello")
    (folder / "var/lib/dpkg").mkdir(parents=True)
    (folder / "var/lib/dpkg/status").write_text(STATUS.format("bash", "1"))
    (folder / "boot/grub").mkdir(parents=True)
    (folder / "boot/grub/menu.lst").write_text("default 0\ntimeout 3\ntitle one\nroot (hd0)\nkernel /vmlinuz\n")
    return folder


def image(folder: Path, path: Path, offset: int = 0) -> Path:
    path.write_bytes(b"")
    os.truncate(path, 32 * 2**20 + offset)
    subprocess.run(
        ["mke2fs", "-q", "-t", "ext4", "-d", str(folder), "-E", f"offset={offset}", str(path), "32M"], check=True
    )
    return path


def test_every_file_is_read(tmp_path: Path) -> None:
    source = tree(tmp_path / "tree")
    files = ExtTree(image(source, tmp_path / "image", OFFSET), OFFSET, tmp_path).files()
    names = {"/" + str(path.relative_to(source)) for path in source.rglob("*")}
    assert names == set(files) - {"/", "/lost+found"}
    for name in names:
        path, facts = source / name[1:], files[name]
        status = path.lstat()
        assert (facts.mode, facts.uid, facts.gid) == (status.st_mode & 0o7777, status.st_uid, status.st_gid)
        if facts.type == "file":
            assert facts.size_bytes == status.st_size
            assert facts.sha256 == hashlib.sha256(path.read_bytes()).hexdigest(), name
        elif facts.type == "link":
            assert facts.target == os.readlink(path)  # noqa: PTH115 (as it is written)
    assert files["/null"].device == "1:3"
    assert files["/pipe"].type == "fifo"
    assert files["/setuid"].xattrs == (("user.note", b"hello".hex(" ")),)


def test_what_is_no_filesystem(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"\0" * 2**20)
    with pytest.raises(VerifyError):
        ExtTree(tmp_path / "image", 0, tmp_path).files()


def test_the_command(tmp_path: Path) -> None:
    source = tree(tmp_path / "tree")
    a = image(source, tmp_path / "a.raw")
    (source / "etc/empty").write_bytes(b"no more")
    (source / "var/lib/dpkg/status").write_text(STATUS.format("bash", "2"))
    os.setxattr(source / "setuid", "user.note", b"other")
    b = image(source, tmp_path / "b.raw")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "imagebuild", "diff", *words]
        return subprocess.run(argv, capture_output=True, text=True, timeout=120)

    done = run(str(a), str(b), "--json", "--html", str(tmp_path / "d.html"), "--exit-code")
    assert done.returncode == 11, done.stderr
    found = json.loads(done.stdout)
    assert {change["path"]: change["what"] for change in found["files"]} == {
        "/etc/empty": ["content"], "/setuid": ["xattrs"], "/var/lib/dpkg/status": ["content"],
    }  # fmt: skip
    assert [(fact["name"], fact["before"], fact["after"]) for fact in found["packages"]] == [("bash", "1", "2")]
    assert "/etc/empty" in (tmp_path / "d.html").read_text()
    assert run(str(a), str(a), "--exit-code").returncode == 0
    assert run(str(a), str(b)).returncode == 0
    done = run(str(a), str(tmp_path / "nothing"))
    assert (done.returncode, "there is no such file" in done.stderr) == (2, True)
