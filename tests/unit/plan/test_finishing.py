"""What is done in the tree, and what in the filesystems that were laid from it."""

from __future__ import annotations

import pytest

from imagebuild.plan.disk_vocabulary import MakeExt, MakeXfs, Region, Runs
from imagebuild.plan.finishing import SplitEdits, split_edits
from imagebuild.plan.steps import (
    CopyFile,
    Edit,
    GenerateInitrd,
    MakeDirectory,
    MakeLink,
    Remove,
    SetPassword,
    WriteFile,
)
from imagebuild.plan.system_vocabulary import RunScript

WHERE = Runs(runs=(Region(offset_bytes=0, size_bytes=2**20),))
EXT = MakeExt(
    mountpoint="/", excluded=(), where=WHERE, uuid="u", label=None, type="ext4", block_bytes=4096, inode_bytes=256,
    inodes=100, features=(), options=(), solid=(),
)  # fmt: skip
XFS = MakeXfs(mountpoint="/", excluded=(), where=WHERE, uuid="u", label=None, options=(), solid=())
OLD = Remove(path="/old", reason="x")
MOTD = WriteFile(path="/etc/motd", content="x")
MENU = WriteFile(path="/boot/grub/menu.lst", content="x")
SRV = MakeDirectory(path="/srv/data")
PASSWORD = SetPassword(user="root", secret="x")
SECRET = CopyFile(source="key", path="/etc/key", mode=0o600)
SCRIPT = RunScript(source="a", arguments=(), environment={}, network=False, timeout_seconds=1, hostname="x")
DOWNLOAD = SCRIPT.model_copy(update={"network": True})
INITRD = GenerateInitrd(tool="initramfs-tools", kernel="k", kernel_version="1", path="/boot/i", modules=())


@pytest.mark.parametrize(
    ("edits", "split"),
    [
        ([OLD, MOTD, SRV, MENU], SplitEdits((OLD, SRV), (MOTD, MENU), cacheable=True)),
        ([MOTD, SCRIPT, MENU], SplitEdits((MOTD, SCRIPT), (MENU,), cacheable=True)),
        ([MOTD, INITRD, MENU], SplitEdits((MOTD, INITRD), (MENU,), cacheable=True)),
        ([PASSWORD, SECRET, MENU], SplitEdits((), (PASSWORD, SECRET, MENU), cacheable=True)),
        ([PASSWORD, SCRIPT, MENU], SplitEdits((PASSWORD, SCRIPT), (MENU,), cacheable=False)),
        ([DOWNLOAD, MENU], SplitEdits((DOWNLOAD,), (MENU,), cacheable=False)),
        ([SECRET, INITRD, MENU], SplitEdits((SECRET, INITRD), (MENU,), cacheable=False)),
        # what a file or link puts in a mountpoint's way is found as before: nothing is parted
        (
            [MakeLink(path="/srv", target="/mnt"), SRV, MENU],
            SplitEdits((MakeLink(path="/srv", target="/mnt"), SRV, MENU)),
        ),
    ],
)
def test_the_order_of_effects_stays(edits: list[Edit], split: SplitEdits) -> None:
    assert split_edits(edits, [EXT]) == split


def test_only_ext_is_finished() -> None:
    assert split_edits([MOTD, MENU], [EXT, XFS]) == SplitEdits((MOTD, MENU))
    assert split_edits([MOTD, MENU], []) == SplitEdits((MOTD, MENU))
