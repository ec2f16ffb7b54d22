"""Images of every format that is read: verified as their raw content is, and nothing else is opened."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
from collections.abc import Callable
from pathlib import Path

import lz4.frame
import pytest
import zstandard

from imagebuild.errors import VerifyError
from imagebuild.events import Quiet
from imagebuild.image.raw_view import raw_view
from imagebuild.image.subject import open_subject
from imagebuild.report import Outcome
from imagebuild.testhost import TestHost
from imagebuild.verify.static import run_static
from tests.images import make_image, run

pytestmark = [pytest.mark.integration, pytest.mark.needs("qemu-img")]
_DRIVERS = {
    "qcow2": "", "qcow": "", "vmdk": "", "vmdk-stream": "subformat=streamOptimized", "vpc": "",
    "vpc-fixed": "subformat=fixed", "vdi": "", "vhdx": "", "qed": "",
}  # fmt: skip
_PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": lambda data: gzip.compress(data, 1),
    "xz": lambda data: lzma.compress(data, preset=0),
    "zst": lambda data: zstandard.ZstdCompressor().compress(data),
    "bz2": lambda data: bz2.compress(data, 1),
    "lz4": lz4.frame.compress,
}


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_image(tmp_path_factory.mktemp("raw") / "image.raw")


def _converted(raw: Path, target: Path, name: str) -> Path:
    driver, options = name.partition("-")[0], _DRIVERS[name]
    run("qemu-img", "convert", "-f", "raw", "-O", driver, *(["-o", options] if options else []), str(raw), str(target))
    return target


@pytest.mark.parametrize("name", _DRIVERS)
def test_a_disk_image_is_read_as_its_content(name: str, raw: Path, tmp_path: Path) -> None:
    image = _converted(raw, tmp_path / f"odd, name=x.{name}", name)
    before = hashlib.sha256(image.read_bytes()).digest()
    content, original = raw_view(image, tmp_path).read_bytes(), raw.read_bytes()
    assert content[: len(original)] == original  # some formats round the size up
    assert content[len(original) :].count(0) == len(content) - len(original)
    assert hashlib.sha256(image.read_bytes()).digest() == before


@pytest.mark.parametrize("name", _PACKERS)
def test_a_compressed_image_is_read_as_its_content(name: str, raw: Path, tmp_path: Path) -> None:
    image = tmp_path / f"image.raw.{name}"
    image.write_bytes(_PACKERS[name](raw.read_bytes()))
    view = raw_view(image, tmp_path)
    assert view.read_bytes() == raw.read_bytes()
    assert view.stat().st_blocks * 512 < view.stat().st_size  # zeros are holes


def test_two_layers(raw: Path, tmp_path: Path) -> None:
    image = _converted(raw, tmp_path / "image.qcow2", "qcow2")
    packed = tmp_path / "image.qcow2.xz"
    packed.write_bytes(lzma.compress(image.read_bytes(), preset=0))
    assert raw_view(packed, tmp_path).read_bytes() == raw.read_bytes()


def test_all_checks_see_the_same(raw: Path, tmp_path: Path, test_host: TestHost) -> None:
    image = _converted(raw, tmp_path / "image.vmdk", "vmdk")
    with open_subject(image, test_host.tools, tmp_path) as subject:
        checks = run_static(subject, Quiet()).checks
    assert {check.outcome for check in checks} <= {Outcome.PASSED, Outcome.SKIPPED}


@pytest.mark.parametrize("driver", ["qcow2", "vmdk", "qed"])
def test_no_backing_file_is_followed(driver: str, raw: Path, tmp_path: Path) -> None:
    base = _converted(raw, tmp_path / "base", driver)
    overlay = tmp_path / "overlay"
    run("qemu-img", "create", "-q", "-f", driver, "-b", str(base), "-F", driver, str(overlay))
    with pytest.raises(VerifyError, match="names another file"):
        raw_view(overlay, tmp_path)


def test_no_external_data_file_is_followed(tmp_path: Path) -> None:
    image = tmp_path / "image.qcow2"
    run(
        "qemu-img",
        "create",
        "-q",
        "-f",
        "qcow2",
        "-o",
        f"data_file={tmp_path / 'data'},data_file_raw=on",
        str(image),
        "8M",
    )
    with pytest.raises(VerifyError, match="names another file"):
        raw_view(image, tmp_path)


def test_no_flat_extent_is_followed(raw: Path, tmp_path: Path) -> None:
    image = tmp_path / "image.vmdk"
    run("qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=monolithicFlat", str(raw), str(image))
    with pytest.raises(VerifyError, match="names another file"):
        raw_view(image, tmp_path)


@pytest.mark.parametrize(("name", "words"), [("gz", "damaged gzip"), ("xz", "damaged xz"), ("zst", "zstd")])
def test_a_cut_file_is_not_called_a_bad_image(name: str, words: str, raw: Path, tmp_path: Path) -> None:
    image = tmp_path / "image"
    packed = _PACKERS[name](raw.read_bytes())
    image.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(VerifyError, match=words):
        raw_view(image, tmp_path)


def test_a_bomb_does_not_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = tmp_path / "image.gz"
    image.write_bytes(gzip.compress(os.urandom(2**20) * 8, 1))
    monkeypatch.setattr("imagebuild.image.raw_view._free", lambda folder: 256 * 2**20 + 2**20)
    with pytest.raises(VerifyError, match="has no space for it"):
        raw_view(image, tmp_path)


def test_an_archive_is_named(tmp_path: Path) -> None:
    image = tmp_path / "image.tar"
    run("tar", "-C", "/usr/share", "-cf", str(image), "misc")
    with pytest.raises(VerifyError, match="is a tar archive"):
        raw_view(image, tmp_path)
