"""What debugfs cannot read is read in the appliance: XFS on a logical volume beside Btrfs, in one launch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.images import (
    BOOT_UUID,
    Filesystem,
    Tree,
    bytes_of,
    initrd,
    make_partitioned,
    menu,
    physical_volume,
    separate_boot,
)

pytestmark = [
    pytest.mark.integration,
    pytest.mark.needs("guestfs", "testhost", "mke2fs", "mkfs.xfs", "mkfs.btrfs", "debugfs"),
]
MIB = 2**20
V5 = "-m crc=1"
SRV_UUID = "77777777-8888-4777-a666-555555555555"
STATUS = "Package: bash\nStatus: install ok installed\nVersion: {0}\nArchitecture: amd64\n\n"


def image(target: Path, root: Filesystem, srv: Filesystem) -> Path:
    """hd00: /boot, a logical volume as the root, and /srv behind it."""
    volume = physical_volume(bytes_of(root))
    boot = separate_boot(
        menu=menu(root="(hd0,0)", folder="", device="/dev/vg0/root").encode(),
        initrd=initrd(modules=("xen-blkfront", "xfs", "dm-mod"), lvm=True),
    )
    raw = Filesystem(None, "raw", raw=volume, size_bytes=len(volume), partition_type="8e")
    return make_partitioned(target, boot, raw, srv)


def root_files(kind: str, srv: str, version: str, **changes: bytes) -> Tree:
    fstab = f"/dev/vg0/root / {kind} ro 0 1\nUUID={BOOT_UUID} /boot ext3 ro 0 2\nUUID={SRV_UUID} /srv {srv} ro 0 2\n"
    return {
        "etc/fstab": fstab.encode(),
        "etc/word": b"1",
        "usr/share/large": b"a line\n" * 300_000,
        "var/lib/dpkg/status": STATUS.format(version).encode(),
        "srv/.keep": b"",  # hidden by what is mounted there
        "boot/.keep": b"",
        **changes,
    }


def test_two_readers_see_the_same_tree(tmp_path: Path) -> None:
    """The one image is read by the appliance, the other by debugfs: nothing but what was changed may differ."""
    a = image(
        tmp_path / "a.raw",
        Filesystem(root_files("xfs", "btrfs", "1"), "xfs", features=V5, size_bytes=304 * MIB),
        Filesystem({"web/index.html": b"hello"}, "btrfs", uuid=SRV_UUID, size_bytes=112 * MIB),
    )
    b = image(
        tmp_path / "b.raw",
        Filesystem(root_files("ext4", "ext4", "2", **{"etc/word": b"2", "etc/new": b""})),
        Filesystem({"web/index.html": b"HELLO"}, "ext4", uuid=SRV_UUID),
    )
    argv = [sys.executable, "-m", "imagebuild", "diff", str(a), str(b), "--json", "--exit-code"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=600)
    assert done.returncode == 11, done.stderr
    found = json.loads(done.stdout)
    assert found["not_compared"] == []
    assert [(fact["name"], fact["before"], fact["after"]) for fact in found["packages"]] == [("bash", "1", "2")]
    assert {change["path"]: [change["change"], *change["what"]] for change in found["files"]} == {
        "/etc/fstab": ["changed", "content"],
        "/etc/new": ["added"],
        "/etc/word": ["changed", "content"],
        "/srv/web/index.html": ["changed", "content"],
        "/var/lib/dpkg/status": ["changed", "content"],
    }
    assert not found["menu"]
    kinds = {fact["name"]: (fact["before"].split(",")[0], fact["after"].split(",")[0]) for fact in found["layout"]}
    assert kinds["/dev/vg0/root"] == ("xfs", "ext4")
    assert kinds["(hd0,2)"] == ("btrfs", "ext4")
