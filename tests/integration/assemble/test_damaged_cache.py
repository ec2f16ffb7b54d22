"""A byte that changed in the cache does not go into an image: the entry is made again, and the user is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagebuild.events import Quiet
from imagebuild.host.cache import Cache
from imagebuild.host.digest import file_sha256
from imagebuild.operations.image import build_image
from imagebuild.recipe.load import load_recipe
from tests.integration.assemble.sources import trees

pytestmark = [pytest.mark.integration, pytest.mark.needs("namespace", "mke2fs", "debugfs")]


def _change(path: Path, what: bytes) -> None:
    """One byte in the middle of what the file holds of `what`."""
    at = path.read_bytes().index(what) + len(what) // 2
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))


def test_changed_bytes_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(trees.EPOCH))
    content = trees.boot_files()
    for name, data in content.items():
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_bytes(data)
    for name in ("dev", "proc", "run", "tmp"):
        (tmp_path / "tree" / name).mkdir()
    kernel = next(data for name, data in content.items() if "vmlinuz" in name)[3000:4000]
    loaded = load_recipe(trees.write_recipe(tmp_path, "{directory: tree}"))
    cache, image = Cache(tmp_path / "cache"), tmp_path / "image.raw"

    def build() -> tuple[str, list[str]]:
        progress = Quiet()
        build_image(loaded, image, cache=cache, progress=progress, secrets={})
        return file_sha256(image), [line for line in progress.lines if "is made again" in line]

    first, notes = build()
    assert notes == []
    assert build() == (first, [])
    (populated,) = (cache.root / "filesystems").glob("*/filesystem-0")
    _change(populated, kernel)
    again, notes = build()
    assert again == first
    assert [line.partition("/")[0] for line in notes] == ["the cache entry filesystems"]
    assert "filesystem-0: changed: it is made again" in notes[0]
    # the tree's archive is only read where there is no populated filesystem
    (archive,) = (cache.root / "trees").glob("*/tree.tar")
    _change(archive, kernel)
    assert build() == (first, [])
    cache.prune(0, kind="filesystems")
    again, notes = build()
    assert again == first
    assert ["trees/" in line and "tree.tar: changed" in line for line in notes] == [True]
