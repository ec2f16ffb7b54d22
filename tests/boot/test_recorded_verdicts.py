"""Our own verdict, without a genuine loader, is still the recorded one of the genuine PV-GRUB.

`make proof` judges every image anew; here, where time is short, those of which each stands for its kind. Static checks
judge all that they find bad, and good ones of each kind. The stand-in boots one that only a boot finds bad, and one
that it once misjudged.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from imagebuild.host.cache import Cache
from imagebuild.report import Verdict
from imagebuild.testhost import TestHost
from tools.proof.guest import Guest, tiny_guest
from tools.proof.images import IMAGES, ProofImage
from tools.proof.judge import judge_boot, judge_static
from tools.proof.made import MADE
from tools.proof.record import disagreements, read_record, table

needs_test_host = pytest.mark.needs("testhost")

RECORD = read_record()
BY_NAME = {image.name: image for image in IMAGES}
GOOD = (
    "hd0-ext4", "hd0-ext2-1k-holes", "hd0-ext4-metadata-csum", "hd0-ext4-not-unmounted",
    "hd00-boot-ext4-1k-solid", "hd00-boot-xfs-v4", "menu-savedefault", "menu-default-past-end", "menu-fallback",
    "menu-links",
)  # fmt: skip
# Not here: the first is made by a kernel in libguestfs' appliance; each of the others has its like among the rest.
LEFT_OUT = ("hd00-boot-xfs-v4-holes", "kernel-zstd", "initrd-truncated", "menu-wrong-case", "menu-uuid-for-root")
BOOTED = ("initrd-no-filesystem", "menu-savedefault")


def is_found_by_static_checks(image: ProofImage) -> bool:
    found = RECORD.images.get(image.name)
    return found is not None and found.decided_by == "static" and image.name not in LEFT_OUT


JUDGED = [image for image in IMAGES if image.name in GOOD or is_found_by_static_checks(image)]


@pytest.fixture(scope="module")
def guest(test_host: TestHost) -> Guest:
    found = tiny_guest(test_host)
    if isinstance(found, str):
        pytest.fail(found, pytrace=False)
    return found


def test_every_image_is_recorded_and_none_is_disputed() -> None:
    assert list(RECORD.images) == [image.name for image in IMAGES]
    assert disagreements(RECORD) == []
    assert [image.name for image in IMAGES if image.no_judge] == ["hd00-gpt"]
    verdicts = [found.genuine.verdict for found in RECORD.images.values()]
    assert min(verdicts.count(Verdict.PASSED), verdicts.count(Verdict.FAILED)) >= 24


def test_what_imagebuild_made_was_booted_by_the_genuine_loader() -> None:
    assert {name: found.verdict for name, found in RECORD.made.items()} == {item.name: Verdict.PASSED for item in MADE}


def test_the_page_is_of_this_record() -> None:
    page = Path(__file__).parents[2] / "docs/proof.md"
    assert page.read_text(encoding="utf-8") == table(RECORD)


@needs_test_host
@pytest.mark.integration
@pytest.mark.parametrize("image", JUDGED, ids=lambda image: image.name)
def test_static_checks(image: ProofImage, guest: Guest, user_cache: Cache, tmp_path: Path) -> None:
    raw = tmp_path / "image.raw"
    image.make(guest, raw)
    found = judge_static(raw, user_cache, tmp_path)
    raw.unlink()
    recorded = RECORD.images[image.name]
    assert (found.verdict is Verdict.FAILED) == (recorded.decided_by == "static"), found.why


@needs_test_host
@pytest.mark.integration
@pytest.mark.boot
@pytest.mark.parametrize("name", BOOTED)
def test_stand_in(name: str, guest: Guest, user_cache: Cache, tmp_path: Path) -> None:
    raw = tmp_path / "image.raw"
    BY_NAME[name].make(guest, raw)
    found = judge_boot(raw, user_cache, tmp_path)
    assert found.verdict is RECORD.images[name].genuine.verdict, found.why
