"""`inspect` on real images: what another tool sees in them, too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imagebuild.cli.run import run
from imagebuild.events import Quiet
from imagebuild.image.subject import open_subject
from imagebuild.testhost import TestHost
from imagebuild.verify.inspection import Inspection, inspect_subject
from tests.images import BOOT_UUID, RELEASE, ROOT_UUID
from tests.sabotage import GOOD, SABOTAGES

pytestmark = [pytest.mark.integration, pytest.mark.needs("testhost")]


def inspected(image: Path, host: TestHost, scratch: Path) -> Inspection:
    with open_subject(image, host.tools, scratch) as subject:
        return inspect_subject(subject, Quiet())


def test_a_disk_with_a_logical_volume(tmp_path: Path, test_host: TestHost) -> None:
    GOOD["hd00-lvm"](tmp_path / "image.raw")
    found = inspected(tmp_path / "image.raw", test_host, tmp_path)
    assert (found.format, found.layout, found.table) == ("raw", "hd00", "dos")
    assert [(part.kind, part.name, part.filesystem and part.filesystem.type) for part in found.parts] == [
        ("partition", "(hd0,0)", "ext3"),
        ("partition", "(hd0,1)", "LVM2_member"),
        ("volume", "/dev/vg0/root", "ext4"),
    ]
    boot, lvm, volume = found.parts
    assert boot.filesystem is not None
    assert boot.filesystem.uuid == BOOT_UUID
    assert volume.stretches[0].offset_bytes == lvm.stretches[0].offset_bytes + 2**20
    assert found.menu is not None
    (entry,) = found.menu.entries
    assert entry.role == "default"
    assert entry.kernel is not None
    assert entry.kernel.kernel is not None
    assert (entry.kernel.kernel.release, entry.kernel.kernel.protocol) == (RELEASE, "2.15")
    assert entry.initrd is not None
    assert entry.initrd.initrd is not None
    assert entry.initrd.initrd.releases == (RELEASE,)
    assert found.differences == ()


def test_where_the_loaders_differ(tmp_path: Path, test_host: TestHost) -> None:
    sabotage = next(sabotage for sabotage in SABOTAGES if sabotage.name == "loaders-differ")
    sabotage.make(tmp_path / "image.raw")
    found = inspected(tmp_path / "image.raw", test_host, tmp_path)
    assert {taken.loader: taken.entry for taken in found.choices} == {
        "grub-0.97": 2,
        "pygrub": 1,
        "grub2-legacy": 1,
    }
    assert len(found.differences) == 3


# Those where something is missing that the others have.
BARE = [
    "nothing", "cut", "overlap", "xfs-v5", "btrfs", "no-menu", "menu-huge", "menu-empty", "menu-binary", "root-hd1",
    "no-kernel-line", "no-root-line", "empty-kernel", "no-bzimage", "truncated-initrd", "not-an-initrd",
]  # fmt: skip


@pytest.mark.parametrize("name", BARE)
def test_sabotaged_images_can_be_looked_at(name: str, tmp_path: Path, test_host: TestHost) -> None:
    next(sabotage for sabotage in SABOTAGES if sabotage.name == name).make(tmp_path / "image.raw")
    found = inspected(tmp_path / "image.raw", test_host, tmp_path)
    assert Inspection.model_validate_json(found.model_dump_json()) == found
    assert found.findings


def test_json_and_svg(tmp_path: Path, test_host: TestHost, capsys: pytest.CaptureFixture[str]) -> None:
    GOOD["hd0-ext3"](tmp_path / "image.raw")
    drawn = tmp_path / "disk.svg"
    assert run(["inspect", str(tmp_path / "image.raw"), "--json", "--svg", str(drawn)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["parts"][0]["filesystem"]["uuid"] == ROOT_UUID
    assert drawn.read_text().startswith("<svg ")


def test_what_is_no_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", str(tmp_path / "nothing.raw")]) == 2
    assert "cannot be found" in capsys.readouterr().err
