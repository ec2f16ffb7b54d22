"""GRUB 0.97's real shell against our masking of what it prints."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from imagebuild.image.subject import open_subject
from imagebuild.testhost import TestHost
from imagebuild.verify.grub_shell import GrubShell
from tests.images import Filesystem, make_image, noise, run

pytestmark = [pytest.mark.integration, pytest.mark.needs("testhost")]

_EVERY_BYTE = bytes(range(256))
CONTENTS: dict[str, bytes] = {
    "every": _EVERY_BYTE,
    "pairs": b"".join(bytes([left, right]) for left in range(256) for right in (9, 10, 13, 65)),
    "tabs": b"".join(b"x" * column + b"\tE\r\n" for column in range(90)),
    "noise": noise(300_000, 7),
    "empty": b"",
    "no-end": b"a line without an end",
    "looks-like-an-end": b"grub> quit\n\nError 15: File not found\ngrub> quit\n",
    "packed": gzip.compress(noise(9000), mtime=0),
}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_image(tmp_path_factory.mktemp("shell") / "image.raw", Filesystem(CONTENTS))


@pytest.mark.parametrize("name", CONTENTS)
def test_the_shell_prints_what_the_mask_says(name: str, image: Path, test_host: TestHost, tmp_path: Path) -> None:
    with open_subject(image, test_host.tools, tmp_path) as subject:
        place = subject.boot_place
        assert place is not None
        reading = GrubShell(subject).compare(place, f"/{name}", CONTENTS[name])
    assert reading.problem == ""
    assert reading.size_bytes == len(CONTENTS[name])


def test_the_first_differing_byte_is_named(image: Path, test_host: TestHost, tmp_path: Path) -> None:
    changed = bytearray(CONTENTS["noise"])
    changed[123_456] = 0x41 if changed[123_456] != 0x41 else 0x42
    with open_subject(image, test_host.tools, tmp_path) as subject:
        place = subject.boot_place
        assert place is not None
        shell = GrubShell(subject)
        assert shell.compare(place, "/noise", bytes(changed)).problem == "another content from byte 123456 on"
        assert shell.compare(place, "/noise", CONTENTS["noise"] + b"more").problem == "it ends at byte 300000 of 300004"
        assert shell.compare(place, "/missing", b"x").problem == "Error 15: File not found"
        assert "white space" in shell.compare(place, "/x\nquit", b"x").problem


def test_superblocks_are_named_as_blkid_names_them(test_host: TestHost, tmp_path: Path) -> None:
    for kind, maker in {
        "reiserfs": ("mkfs.reiserfs", "-q", "-f"), "swap": ("mkswap", "-q"), "vfat": ("mkfs.vfat",),
        "btrfs": ("mkfs.btrfs", "-q"), "xfs": ("mkfs.xfs", "-q"), "ext2": ("mke2fs", "-q", "-t", "ext2"),
        "ext3": ("mke2fs", "-q", "-t", "ext3"), "ext4": ("mke2fs", "-q", "-t", "ext4"),
    }.items():  # fmt: skip
        image = tmp_path / f"{kind}.raw"
        with image.open("wb") as file:
            file.truncate(320 * 2**20)
        run(*maker, str(image))
        values = dict(line.split("=", 1) for line in run("blkid", "-p", "-o", "export", str(image)).splitlines())
        with open_subject(image, test_host.tools, tmp_path) as subject:
            contents = subject.places[0].contents
        assert contents is not None
        assert (contents.type, contents.uuid, contents.unclean) == (values["TYPE"], values["UUID"], "")
