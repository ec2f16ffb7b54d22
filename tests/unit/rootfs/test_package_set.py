"""A tree's key: the same as ever until an update found other packages, another one from then on; a lock outranks it."""

from __future__ import annotations

from pathlib import Path

from imagebuild.host.cache import Cache
from imagebuild.plan.steps import BootstrapDebian, digest_of
from imagebuild.recipe.lock import PackageLock
from imagebuild.rootfs import tree as rootfs
from imagebuild.rootfs.package_set import read_package_set, write_package_set

LOCK = PackageLock(source="", architecture="x86_64", content_sha256=None)
STEP = BootstrapDebian(
    suite="bookworm", variant="minbase", architecture="x86_64", mirror="http://mirror.example/debian",
    components=("main",), packages=("linux-image-amd64",),
)  # fmt: skip


def test_what_an_update_found_is_part_of_the_key(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    before = rootfs.resolve(STEP, tmp_path, cache)
    assert before.package_set is None
    assert before.digest == digest_of(before, without={"package_set"}), "trees of older versions stay in the cache"
    write_package_set(cache, before.where_from, "ab" * 32)
    after = rootfs.resolve(STEP, tmp_path, cache)
    assert after.package_set == "ab" * 32
    assert after.where_from == before.where_from
    assert after.digest != before.digest
    write_package_set(cache, before.where_from, "cd" * 32)
    assert rootfs.resolve(STEP, tmp_path, cache).digest not in (before.digest, after.digest)
    assert rootfs.resolve(STEP.model_copy(update={"suite": "trixie"}), tmp_path, cache).package_set is None
    assert rootfs.resolve(STEP, tmp_path, cache, LOCK).package_set is None, "its lock says what it holds"


def test_what_cannot_be_read_is_no_answer(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    assert read_package_set(cache, "0" * 64) is None
    for content in (b"", b"short\n", b"\xff" * 64):
        (tmp_path / "package-sets").mkdir(exist_ok=True)
        (tmp_path / "package-sets" / ("0" * 64)).write_bytes(content)
        assert read_package_set(cache, "0" * 64) is None
