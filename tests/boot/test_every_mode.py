"""One image, one menu.lst, three doors: a PC's BIOS, UEFI, and Xen PVH. PV is what all other boot tests go through."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagebuild.events import Quiet
from imagebuild.host.cache import Cache
from imagebuild.operations.image import build_image
from imagebuild.recipe.load import load_recipe
from imagebuild.report import BootEnd, Outcome, Verdict
from imagebuild.verify.request import BootSettings, Request
from imagebuild.verify.runner import verify_image
from tests.conftest import Needs

pytestmark = [pytest.mark.boot, pytest.mark.needs("testhost", "ovmf", "fat-tools")]
RECIPE = Path("recipes/debian-12-every-mode.yaml")
SETTINGS = BootSettings(expect="debian login:")


@pytest.fixture(scope="session")
def every_mode(needs: Needs, user_cache: Cache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    needs("mmdebstrap", "namespace", "e2fsprogs", "qemu", "fat-tools")
    image = tmp_path_factory.mktemp("every-mode") / "every-mode.raw"
    build_image(load_recipe(RECIPE), image, cache=user_cache, progress=Quiet(), secrets={})
    return image


def test_an_image_starts_by_bios_by_uefi_and_as_a_pvh_guest(every_mode: Path, output: Path, user_cache: Cache) -> None:
    """The static checks read the boot code back meanwhile."""
    request = Request(every_mode, output, ("static", "pvh", "bios", "uefi"), pvh=SETTINGS, bios=SETTINGS, uefi=SETTINGS)
    result = verify_image(request, cache=user_cache, progress=Quiet())
    assert [check for check in result.checks if check.outcome is Outcome.FAILED] == []
    assert result.verdict is Verdict.PASSED, result.unverified_because
    assert {boot.machine: boot.end for boot in result.boots} == dict.fromkeys(("pvh", "bios", "uefi"), BootEnd.REACHED)
    reached = {boot.machine: [item.name for item in boot.milestones] for boot in result.boots}
    assert reached["bios"] == reached["uefi"] == ["firmware", "boot code", "menu", "kernel", "root", "init", "login"]
    assert reached["pvh"] == ["xen", "dom0", "guest", "loader", "kernel", "root", "init", "login"]
    assert {boot.machine: boot.loader.kind for boot in result.boots} == {
        "pvh": "stand-in", "bios": "own", "uefi": "own"
    }  # fmt: skip
    found = {check.name: check.detail for check in result.checks if check.machine == "static"}
    assert "its core of" in found["bios-code"]
    assert "is for x86_64: GRUB 2.06-" in found["efi-code"]
    assert "reads (hd0,0)/boot/grub/menu.lst" in found["boot-code-menu"]
