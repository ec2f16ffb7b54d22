"""The image that the boot tests boot and spoil: the smallest recipe's, built by imagebuild itself, once for the run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from imagebuild.events import Quiet
from imagebuild.host import command
from imagebuild.host.cache import Cache
from imagebuild.operations.image import build_image
from imagebuild.recipe.load import load_recipe
from tests.conftest import Needs

RECIPE = Path("recipes/debian-12-hd0.yaml")
MENU = "/boot/grub/menu.lst"


@pytest.fixture(scope="session")
def good_image(needs: Needs, user_cache: Cache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An hd0 image with one ext4 filesystem; to be read only."""
    needs("mmdebstrap", "namespace", "e2fsprogs", "qemu")
    image = tmp_path_factory.mktemp("good") / "good.raw"
    build_image(load_recipe(RECIPE), image, cache=user_cache, progress=Quiet(), secrets={})
    return image


@pytest.fixture(scope="session")
def rebundled_image(
    needs: Needs, good_image: Path, user_cache: Cache, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The good image as somebody's qcow2, and that as the source of an hd00 image: another fstab, initrd and menu."""
    needs("guestfs")
    folder = tmp_path_factory.mktemp("rebundled")
    command.run(["qemu-img", "convert", "-O", "qcow2", str(good_image), str(folder / "old.qcow2")], doing="converting")
    recipe = folder / "recipe.yaml"
    recipe.write_text(
        "name: rebundled\nrootfs: {image: old.qcow2}\nsystem: {hostname: rebundled}\ndisk:\n  layout: hd00\n"
        "  partitions:\n    - {mount: /boot, size: 200MiB, filesystem: ext3}\n"
        "    - {mount: /, size: 1200MiB, filesystem: ext4}\nverify: {xen: {expect: 'rebundled login:'}}\n",
        encoding="utf-8",
    )
    image = folder / "rebundled.raw"
    build_image(load_recipe(recipe), image, cache=user_cache, progress=Quiet(), secrets={})
    return image


@pytest.fixture
def copy_of(good_image: Path, tmp_path: Path) -> Callable[[], Path]:
    """Makes a copy of the good image that a test may write."""

    def copy() -> Path:
        path = tmp_path / "spoilt.raw"
        command.run(["cp", "--sparse=always", str(good_image), str(path)], doing="copying the image")
        return path

    return copy


@pytest.fixture
def output(tmp_path: Path) -> Path:
    folder = tmp_path / "output"
    folder.mkdir()
    return folder


@pytest.fixture
def own_cache(user_cache: Cache, tmp_path: Path) -> Cache:
    """A cache that has the test host and nothing else."""
    cache = Cache(tmp_path / "cache")
    (cache.root / "testhost").parent.mkdir(parents=True)
    (cache.root / "testhost").symlink_to(user_cache.root / "testhost")
    return cache


def read_file(image: Path, path: str, folder: Path) -> bytes:
    """A file's content, out of a filesystem that begins with the image."""
    target = folder / "read"
    command.run(["debugfs", "-R", f"dump {path} {target}", str(image)], doing="reading a file")
    content = target.read_bytes()
    target.unlink()
    return content


def replace_file(image: Path, path: str, content: bytes | None, folder: Path) -> None:
    """Put another content there, or (None) take the file away."""
    command.run(["debugfs", "-w", "-R", f"rm {path}", str(image)], doing="removing a file")
    if content is not None:
        source = folder / "written"
        source.write_bytes(content)
        command.run(["debugfs", "-w", "-R", f"write {source} {path}", str(image)], doing="writing a file")
        source.unlink()


def change_menu(image: Path, folder: Path, change: Callable[[str], str]) -> None:
    """Rewrite menu.lst; the change must change it."""
    text = read_file(image, MENU, folder).decode()
    changed = change(text)
    assert changed != text
    replace_file(image, MENU, changed.encode(), folder)
