"""A package more: the essential packages are not installed again, and the tree is the one of a cold build."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagebuild.events import Quiet
from imagebuild.host.cache import Cache
from imagebuild.plan.steps import BootstrapDebian
from imagebuild.rootfs.debian import argv as debian_words
from imagebuild.rootfs.debian import bootstrap as debian
from tests.integration.assemble.test_lock import sha256

pytestmark = [pytest.mark.integration, pytest.mark.needs("mmdebstrap", "namespace")]


class Heard(Quiet):
    """Keeps what the tools say."""

    def __init__(self) -> None:
        self.text = ""

    def log(self, text: str) -> None:
        self.text += text


def make_tree(folder: Path, cache: Cache, *packages: str) -> tuple[str, str]:
    """The tree's sha256, and what mmdebstrap said."""
    step = BootstrapDebian(
        suite="bookworm", variant="essential", architecture="x86_64", mirror=None, components=("main",),
        packages=packages,
    )  # fmt: skip
    archive, heard = folder / "tree.tar", Heard()
    debian.bootstrap(step, debian_words.apt_sources(step), None, archive, cache, heard)
    return sha256(archive), heard.text


def test_a_tree_on_a_layer_is_the_cold_tree(tmp_path: Path) -> None:
    kept, other = Cache(tmp_path / "kept"), Cache(tmp_path / "other")
    make_tree(tmp_path, kept)
    downloaded = {path.name for path in kept.root.glob("packages/*/*.deb")}
    again, said = make_tree(tmp_path, kept, "hello")
    assert "nothing to download" in said, "the essential packages are the kept layer"
    more = {path.name.split("_")[0] for path in kept.root.glob("packages/*/*.deb") if path.name not in downloaded}
    assert more == {"hello"}
    cold, said = make_tree(tmp_path, other, "hello")
    assert "nothing to download" not in said
    assert again == cold
