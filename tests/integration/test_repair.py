"""Sabotaged images, repaired: no static check fails on the copy, and the source is as it was."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from imagebuild.cli.run import run
from tests.images import (
    BOOT_UUID,
    LOADER_CAN_READ,
    Filesystem,
    Link,
    boot_files_at_root,
    changed,
    initrd,
    make_image,
    make_partitioned,
    menu,
    root_only,
    separate_boot,
    tree,
)
from tests.images import run as tool
from tests.sabotage import SABOTAGES, SMALL_BLOCKS, holed_kernel

pytestmark = [pytest.mark.integration, pytest.mark.needs("testhost", "guestfs")]
MIB = 2**20


def repaired(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    before = hashlib.sha256(source.read_bytes()).hexdigest()
    code = run(["repair", str(source), "-o", str(tmp_path / "new.raw")])
    assert hashlib.sha256(source.read_bytes()).hexdigest() == before
    assert not (tmp_path / "new.raw.partial").exists()
    return code, capsys.readouterr().out


def test_everything_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """hd00; /boot with 64bit, metadata_csum, 1 KiB blocks, a holed kernel, no /boot in it, no timeout, a stray file."""
    text = menu(root="(hd0)", folder="", head="default 3\n").replace(" console=hvc0", "")
    files = boot_files_at_root(tree(menu=text.encode(), kernel=holed_kernel()))
    files = {**{name: content for name, content in files.items() if name != "boot"}, "grub/grub.cfg": b"stray"}
    boot = changed(
        SMALL_BLOCKS, files=files, uuid=BOOT_UUID, features=f"{LOADER_CAN_READ},64bit,metadata_csum,huge_file"
    )
    source = make_partitioned(tmp_path / "old.raw", boot, root_only())
    tool("debugfs", "-w", "-R", "feature needs_recovery", f"{source}?offset={MIB}")
    code, said = repaired(source, tmp_path, capsys)
    assert code == 0, said
    for words in ("journal replayed", "without metadata_csum, 64bit", "timeout 3", "default 0", "root (hd0,0) instead",
                  "console=hvc0", "/boot -> .", "/vmlinuz-6.1.0-1-amd64: rewritten without holes",
                  "grub.cfg.set-aside"):  # fmt: skip
        assert words in said
    assert "ext4" in tool("blkid", "-p", "-O", str(MIB), str(tmp_path / "new.raw"))


def test_a_filesystem_that_must_be_made_anew_keeps_its_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {**tree(menu=Link("/nowhere/menu.lst")), "boot/grub/grub.conf": menu().encode(), "etc/hostname": b"old\n"}
    source = make_image(tmp_path / "old.raw", Filesystem(files, features=f"{LOADER_CAN_READ},inline_data", label="top"))
    tool("debugfs", "-w", "-R", "set_inode_field etc/hostname uid 1234", str(source))
    code, said = repaired(source, tmp_path, capsys)
    assert code == 0, said
    assert "made again without inline_data" in said
    assert "written again from /boot/grub/grub.conf" in said
    new = str(tmp_path / "new.raw")
    status = tool("debugfs", "-R", "stat etc/hostname", new)
    assert "User:  1234" in status
    assert tool("debugfs", "-R", "cat etc/hostname", new).endswith("old\n")
    assert "inline_data" not in tool("dumpe2fs", "-h", new)
    assert "top" in tool("e2label", new)


def test_xfs_v5_becomes_v4(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = tree(initrd=initrd(modules=("xen-blkfront", "xfs")))
    source = make_image(
        tmp_path / "old.raw", Filesystem(files, "xfs", features="-m crc=1 -b size=4096", size_bytes=320 * MIB)
    )
    code, said = repaired(source, tmp_path, capsys)
    assert code == 0, said
    assert "XFS V4" in said


def test_what_cannot_be_repaired_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sabotage = next(sabotage for sabotage in SABOTAGES if sabotage.name == "truncated-kernel")
    sabotage.make(tmp_path / "old.raw")
    code, said = repaired(tmp_path / "old.raw", tmp_path, capsys)
    assert code == 10
    assert "nothing had to be changed" in said
    assert "it is truncated" in said
    assert (tmp_path / "new.raw.rejected").is_file()
    assert not (tmp_path / "new.raw").exists()


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = make_partitioned(tmp_path / "old.raw", separate_boot(), root_only())
    assert run(["repair", str(image), "-o", str(image)]) == 2
    assert "exists already" in capsys.readouterr().err


def test_no_filesystem_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    next(sabotage for sabotage in SABOTAGES if sabotage.name == "nothing").make(tmp_path / "old.raw")
    assert run(["repair", str(tmp_path / "old.raw"), "-o", str(tmp_path / "new.raw")]) == 6
    assert "nothing to repair" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["old.raw"]
