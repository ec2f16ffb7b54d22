"""An image that imagebuild had no hand in: made by virt-make-fs, files in odd places, two entries that lead nowhere."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from imagebuild.events import Quiet
from imagebuild.host.acceleration import accelerator
from imagebuild.host.cache import Cache
from imagebuild.report import Outcome, Verdict
from imagebuild.testhost import TestHost
from imagebuild.verify.runner import Request, verify_image
from tests.images import write_tree
from tools.proof.guest import WITNESS, WITNESS_CONTENT, tiny_guest

pytestmark = [pytest.mark.boot, pytest.mark.needs("testhost", "qemu", "guestfs", "virt-make-fs")]
MENU = """\
# by hand
default=0
fallback 1 2
timeout 1

title Gone
root (hd0,0)
kernel /boot/vmlinuz-of-last-year root=LABEL=others ro console=hvc0
initrd /boot/initrd-of-last-year

title No initrd
root (hd0,0)
kernel /srv/kernels/linux root=LABEL=others ro console=hvc0
initrd /srv/kernels/missing

title In odd places
\troot   (hd0,0)
\tkernel (hd0,0)/srv/kernels/linux root=LABEL=others ro console=hvc0 quiet
\tinitrd /usr/lib/ramdisks/one.img
"""


def test_the_second_fallback_comes_up(test_host: TestHost, user_cache: Cache, tmp_path: Path) -> None:
    guest = tiny_guest(test_host)
    assert not isinstance(guest, str), guest
    tree = {
        "boot/grub/menu.lst": MENU.encode(),
        "srv/kernels/linux": guest.gzipped,
        "usr/lib/ramdisks/one.img": guest.initrd(),
        "etc/fstab": b"LABEL=others / ext3 defaults 0 1\n",
        WITNESS: WITNESS_CONTENT,
    }
    write_tree(tmp_path / "tree", tree)
    image = tmp_path / "others.raw"
    words = ["virt-make-fs", "--partition=mbr", "--type=ext3", "--label=others", "--size=+20M", "tree", image.name]
    tcg = {"LIBGUESTFS_BACKEND_SETTINGS": "force_tcg"} if accelerator(user_cache) == "tcg" else {}
    environment = os.environ | {"LIBGUESTFS_BACKEND": "direct"} | tcg
    subprocess.run(words, cwd=tmp_path, check=True, capture_output=True, timeout=600, env=environment)
    request = Request(image, tmp_path, ("static", "xen"))
    found = verify_image(request, cache=user_cache, progress=Quiet())
    assert found.verdict is Verdict.PASSED, found
    assert found.boots[0].end == "reached"
    warned = [check.detail for check in found.checks if check.outcome is Outcome.WARNED and check.name == "boot-files"]
    assert len(warned) == 2
    assert "vmlinuz-of-last-year" in warned[0]
    assert "/srv/kernels/missing" in warned[1]
    assert all("the loader continues with the" in detail for detail in warned)
    # GRUB 2 would start entry 1 without its initrd; the genuine loader goes on (tried), so Xen gets entry 2's files.
    loader = found.boots[0].loader
    assert loader.kind == "pv-grub" or "would start entry 1 without its initrd" in loader.version
