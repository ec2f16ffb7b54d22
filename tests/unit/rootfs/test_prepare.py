"""What was kept of earlier bootstraps is taken only where apt's index of today names the very same file."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest

from imagebuild.host.cache import Cache
from imagebuild.plan.steps import BootstrapDebian
from imagebuild.rootfs.debian import argv as debian_argv
from imagebuild.rootfs.debian import prepare as debian_prepare
from imagebuild.rootfs.debian.reuse import reuse_for

SHA256 = hashlib.sha256(b"package").hexdigest()
SOURCES = ("deb http://deb.example.org/debian bookworm main",)


def step(variant: str = "minbase") -> BootstrapDebian:
    return BootstrapDebian(
        suite="bookworm", variant=variant, architecture="x86_64", mirror=None, components=("main",), packages=("hello",)
    )


def test_a_kept_file_is_taken_where_its_digest_is_apts(tmp_path: Path) -> None:
    old, kept, archives = tmp_path / "old", tmp_path / "kept", tmp_path / "archives"
    for folder, content in ((old, b"other"), (kept, b"package")):
        folder.mkdir()
        (folder / "hello_1%3a2_amd64.deb").write_bytes(content)
        (folder / "unwanted_1_amd64.deb").write_bytes(content)
    wanted = {"hello_1%3a2_amd64.deb": SHA256, "more_1_amd64.deb": SHA256}
    used = debian_prepare.seed(wanted, [old, kept, tmp_path / "gone"], archives, tmp_path / "marks")
    assert used == [kept]
    assert [(path.name, path.read_bytes()) for path in archives.iterdir()] == [("hello_1%3a2_amd64.deb", b"package")]


def test_a_layer_is_right_only_with_just_the_files_of_today(tmp_path: Path) -> None:
    layer = tmp_path / "layer"
    layer.mkdir()
    debian_prepare.save_names({"b.deb": SHA256, "a.deb": SHA256}, layer / "packages")
    folders = [str(tmp_path / "gone"), str(layer)]
    assert debian_prepare.find_layer(folders, {"a.deb": SHA256, "b.deb": SHA256}) == layer
    for other in ({"a.deb": SHA256}, {"a.deb": SHA256, "b.deb": "0" * 64}, {}):
        assert debian_prepare.find_layer(folders, other) is None


def test_what_apt_would_download_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "apt-get").write_text(
        f"#!/bin/sh\necho \"'http://x/a%2bb_1%3a2_all.deb' a+b_1%3a2_all.deb 12 SHA256:{SHA256}\"; echo 'W: a word'\n"
    )
    (tmp_path / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert debian_prepare.wanted_files(["a+b"], dict(os.environ)) == {"a+b_1%3a2_all.deb": SHA256}


def test_a_layer_is_laid_as_if_it_were_made_now(tmp_path: Path) -> None:
    """What is older than its bootstrap keeps its time; what was written meanwhile is new, its day of change, too."""
    tree, root, layer, day = tmp_path / "tree", tmp_path / "root", tmp_path / "layer", 86400
    for folder in (tree / "etc", root, layer):
        folder.mkdir(parents=True)
    (tree / "etc/shadow").write_text("root:*:100:0:99999:7:::\nkept:*:7:0:99999:7:::\n")
    (tree / "etc/shadow").chmod(0o640)
    (tree / "etc/packaged").touch()
    os.utime(tree / "etc/packaged", (50 * day, 50 * day))
    os.utime(tree / "etc/shadow", (300 * day, 300 * day))
    subprocess.run(["tar", "-C", str(tree), "-cf", str(layer / "tree.tar"), "."], check=True)
    (layer / "about.json").write_text(json.dumps({"moment": 100 * day + 5, "began": 300 * day}))
    debian_prepare.unpack_layer(layer, root, 200 * day + 9)
    assert (root / "etc/shadow").read_text() == "root:*:200:0:99999:7:::\nkept:*:7:0:99999:7:::\n"
    assert (root / "etc/shadow").stat().st_mode & 0o7777 == 0o640
    assert (root / "etc/shadow").stat().st_mtime > 301 * day
    assert (root / "etc/packaged").stat().st_mtime == 50 * day


def test_the_layer_changes_only_where_the_essential_packages_come_from(tmp_path: Path) -> None:
    cache, words = Cache(tmp_path), debian_argv.bootstrap_argv(step(), SOURCES, Path("INDEX"), Path("ARCHIVE"))
    first = reuse_for(step(), SOURCES, 5, cache, tmp_path / "first", layers=True)
    cold = first.command(words)
    added = [word for word in cold if word not in words]
    assert [word.split("=")[0] for word in added] == ["--essential-hook", "--skip", "--customize-hook"]
    (tmp_path / "first/layer/tree.tar").touch()
    (tmp_path / "first/layer/packages").write_text(f"{SHA256}  hello.deb\n")
    first.store()
    second = reuse_for(step("important"), SOURCES, 6, cache, tmp_path / "second", layers=True)
    assert [folder.parent.name for folder in second.layers] == ["essentials"]
    laid = second.command(words)
    assert "--variant=custom" in laid
    assert [word for word in words if word not in laid] == ["--variant=essential"]
    for other, moment in ((step("apt"), 5), (step(), None)):
        notes = tmp_path / f"other-{moment}"
        assert not reuse_for(other, SOURCES, moment, cache, notes, layers=True).layers
