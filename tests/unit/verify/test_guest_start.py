"""A guest that Xen starts without a loader: its configuration, and what is heard of it."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from imagebuild.report import BootEnd, Loader
from imagebuild.verify import signs
from imagebuild.verify.console import Console
from imagebuild.verify.loaders import GuestLoader
from imagebuild.verify.xen import XenBoot, guest_configuration, job_archive


def console() -> Console:
    heard = Console(
        signs.xen_signs("login:", "", has_loader=False),
        signs.xen_fatals("stand-in", menu_waits=False, has_loader=False),
        io.BytesIO(),
    )
    heard.feed(b"imagebuild: dom0 ready\r\nimagebuild: guest starts\r\n", 1.0)
    return heard


def task(folder: Path) -> XenBoot:
    for name in ("kernel", "initrd"):
        (folder / name).write_bytes(name.encode())
    facts = Loader(kind="stand-in", version="Xen's own domain builder")
    loader = GuestLoader(folder / "kernel", "root=UUID=1 ro", facts, is_kernel=True, ramdisk=folder / "initrd")
    return XenBoot(Path("image"), loader, 2**29, 300, "login:", "", menu_waits=False)


def test_kernel_and_ramdisk_are_handed_to_xen(tmp_path: Path) -> None:
    configuration = guest_configuration(task(tmp_path))
    assert 'kernel="/job/loader"\nramdisk="/job/ramdisk"\nextra="root=UUID=1 ro"\n' in configuration
    with tarfile.open(fileobj=io.BytesIO(job_archive(task(tmp_path)))) as archive:
        contents = {name: archive.extractfile(name) for name in ("loader", "ramdisk")}
        assert {name: file.read() for name, file in contents.items() if file} == {
            "loader": b"kernel",
            "ramdisk": b"initrd",
        }


def test_a_quiet_kernel_may_go_straight_to_its_prompt() -> None:
    heard = console()
    heard.feed(b"proof login: ", 2.0)
    assert heard.ending is not None
    assert heard.ending.end is BootEnd.REACHED


@pytest.mark.parametrize(
    "line", ["Kernel panic - not syncing: VFS", "ALERT! UUID=1 does not exist. Dropping to a shell!"]
)
def test_a_quiet_kernel_may_give_up_at_once(line: str) -> None:
    heard = console()
    heard.feed(line.encode() + b"\r\n", 2.0)
    assert heard.ending is not None
    assert (heard.ending.end, heard.ending.blames) == (BootEnd.FATAL, "image")


def test_xl_that_cannot_make_the_guest_says_nothing_about_the_image() -> None:
    heard = console()
    heard.feed(b"imagebuild: guest ended\r\n", 2.0)
    assert heard.ending is not None
    assert heard.ending.blames == "machine"
