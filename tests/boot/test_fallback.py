"""The fallback is proven: with the default's kernel broken, the fallback entry has to come up."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imagebuild.events import Quiet
from imagebuild.host.cache import Cache
from imagebuild.report import BootEnd, Check, Outcome, Verdict
from imagebuild.testhost import TestHost
from imagebuild.verify.runner import Request, Verification, verify_image
from tests.images import ROOT_UUID, Filesystem, make_image
from tools.proof.contents import entry, files, menu
from tools.proof.guest import Guest, tiny_guest

pytestmark = [pytest.mark.boot, pytest.mark.needs("testhost", "qemu")]
HEAD = "default 0\nfallback 1\ntimeout 1\n"


@pytest.fixture(scope="module")
def guest(test_host: TestHost) -> Guest:
    found = tiny_guest(test_host)
    assert not isinstance(found, str), found
    return found


def image_with_fallback(guest: Guest, folder: Path, *, root: str = ROOT_UUID, same_kernel: bool = False) -> Path:
    """Two entries; `root` is the fallback's. Its kernel is the same but for another packing."""
    fallback = entry("Fallback", kernel="/boot/vmlinuz.old").replace(ROOT_UUID, root)
    tree = files(guest, menu=menu(head=HEAD, more=fallback))
    # xz's own marks differ, and so does the header in front of them
    tree["boot/vmlinuz.old"] = guest.gzipped if same_kernel else guest.repacked("gzip-1")
    image = folder / "image.raw"
    make_image(image, Filesystem(tree, size_bytes=96 * 2**20))
    return image


def verify(image: Path, cache: Cache, pv_grub: Path | None = None) -> Verification:
    request = Request(image, image.parent, ("xen",), pv_grub=pv_grub)
    return verify_image(request, cache=cache, progress=Quiet())


def check(found: Verification) -> Check:
    return next(check for check in found.checks if check.name == "fallback")


def test_the_fallback_comes_up_and_the_image_is_not_touched(guest: Guest, user_cache: Cache, tmp_path: Path) -> None:
    image = image_with_fallback(guest, tmp_path)
    before = image.read_bytes()
    found = verify(image, user_cache)
    assert found.verdict is Verdict.PASSED, found
    assert [(boot.proves, boot.end) for boot in found.boots] == [
        ("default", BootEnd.REACHED), ("fallback", BootEnd.REACHED),
    ]  # fmt: skip
    assert check(found).detail.startswith("with the kernel of entry 0 broken, entry 1 (Fallback) came up")
    assert (tmp_path / found.boots[1].console).name == "console-xen-fallback.log"
    assert image.read_bytes() == before


def test_a_fallback_that_does_not_boot_is_found(guest: Guest, user_cache: Cache, tmp_path: Path) -> None:
    image = image_with_fallback(guest, tmp_path, root=f"{ROOT_UUID[:-1]}0")
    found = verify(image, user_cache)
    assert found.verdict is Verdict.FAILED
    assert [boot.end for boot in found.boots] == [BootEnd.REACHED, BootEnd.FATAL]
    assert check(found).outcome is Outcome.FAILED
    assert "the root filesystem was not found" in check(found).detail


@pytest.mark.needs("pv-grub")
def test_the_genuine_loader_falls_back(guest: Guest, user_cache: Cache, tmp_path: Path) -> None:
    found = verify(image_with_fallback(guest, tmp_path), user_cache, Path(os.environ["IMAGEBUILD_PV_GRUB"]))
    assert found.verdict is Verdict.PASSED, found
    assert found.boots[1].loader.kind == "pv-grub"
