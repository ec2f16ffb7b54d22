"""Two builds are the same, bit for bit: another user, folder, umask, time zone and processor count, and cold."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from imagebuild.host.cache import Cache
from tests.integration.assemble.conftest import RECIPES, Image, build_recipe
from tests.integration.assemble.sources import trees
from tests.ordinary_user import give_imagebuild
from tests.ordinary_user import home as home_of

pytestmark = [pytest.mark.integration, pytest.mark.needs("mmdebstrap", "namespace")]
LIMIT_SECONDS = 900


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.fixture(scope="module")
def home(ordinary_user: str) -> Path:
    """The home of an ordinary user, for a copy of imagebuild and its packages: the checkout may be closed to it."""
    return home_of(ordinary_user)


def as_user(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run imagebuild as that user on one processor, in another time zone, with another umask."""
    give_imagebuild(home.owner())
    if not (home / "recipes").exists():
        shutil.copytree(RECIPES, home / "recipes")
    script = f"umask 077; cd {home}; exec /usr/bin/python3 -m imagebuild " + " ".join(words)
    environment = {
        "PATH": "/usr/bin:/bin", "HOME": str(home), "TZ": "Asia/Tokyo", "LANG": "C",
    }  # fmt: skip
    argv = [
        "taskset",
        "--cpu-list",
        "0",
        "setpriv",
        f"--reuid={home.owner()}",
        f"--regid={home.group()}",
        "--init-groups",
    ]
    argv += ["sh", "-c", script]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=LIMIT_SECONDS)


@pytest.mark.needs("root")
def test_an_ordinary_user_builds_the_same_image_cold(hd0: Image, home: Path) -> None:
    """No root, no loop devices: only a range in /etc/subuid. The tree is bootstrapped anew."""
    ended = as_user(home, "build", "recipes/debian-12-hd0.yaml", "-o", "out", "--no-verify")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    built = home / "out" / "debian-12-hd0" / "debian-12-hd0.raw.unverified"
    assert built.stat().st_uid == home.stat().st_uid
    assert sha256(built) == sha256(hd0.path)


@pytest.mark.needs("root", "mkfs.xfs", "mkfs.btrfs")
@pytest.mark.parametrize(("kind", "loader"), [("ext4", "pv-grub"), ("xfs", "pv-grub"), ("btrfs", "pvgrub2")])
def test_filesystems_of_an_ordinary_user(kind: str, loader: str, home: Path, tmp_path: Path, user_cache: Cache) -> None:
    """ext4 and XFS bit for bit; Btrfs (mkfs.btrfs puts its own moments into it) without a finding of its checker."""
    with tarfile.open(tmp_path / "rootfs.tar", "w") as archive:  # no device nodes: these take root, or ext
        trees.add_boot_files(archive)
        trees.add(archive, trees.member("./etc/secret", mode=0o640, uid=7, gid=42), b"secret\n" * 3000)
    (tmp_path / f"{kind}.yaml").write_text(
        f"name: {kind}\nrootfs: {{tar: rootfs.tar}}\ndisk: {{layout: hd0, size: 400MiB, filesystem: {kind}}}\n"
        f"boot: {{loader: {loader}}}\nverify: {{qemu: false}}\n"
    )
    ours = build_recipe(tmp_path / f"{kind}.yaml", tmp_path / "ours.raw", user_cache)
    for name in ("rootfs.tar", f"{kind}.yaml"):
        shutil.copy(tmp_path / name, home / name)
    ended = as_user(home, "build", f"{kind}.yaml", "-o", "out", "--no-verify")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    theirs = home / "out" / kind / f"{kind}.raw.unverified"
    checkers = {"ext4": "e2fsck -fn", "xfs": "xfs_repair -n -f", "btrfs": "btrfs check --readonly"}
    subprocess.run([*checkers[kind].split(), str(theirs)], check=True, capture_output=True)
    assert kind == "btrfs" or sha256(theirs) == sha256(ours.path)


@pytest.mark.needs("guestfs")
def test_logical_volumes_are_the_same_again(lvm: Image, tmp_path: Path, user_cache: Cache) -> None:
    again = build_recipe(RECIPES / "debian-12-hd00-lvm.yaml", tmp_path / "again.raw", user_cache)
    assert sha256(again.path) == sha256(lvm.path)


def test_the_moment_that_the_user_asks_for(
    hd0: Image, tmp_path: Path, user_cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SOURCE_DATE_EPOCH is honoured: nothing in the image is newer (the tree here is a small archive, made now)."""
    (tmp_path / "tree" / "etc").mkdir(parents=True)
    (tmp_path / "tree" / "boot").mkdir()
    (tmp_path / "tree" / "etc" / "new").write_text("written now\n")
    subprocess.run(
        ["tar", "-cf", "tree.tar", "-C", "tree", "."], cwd=tmp_path, check=True, env=os.environ | {"LANG": "C.UTF-8"}
    )
    recipe = tmp_path / "small.yaml"
    recipe.write_text(
        "name: small\nrootfs: {tar: tree.tar}\ndisk: {layout: hd0, filesystem: ext4, size: 64MiB}\n"
        "boot: {kernels: [{kernel: kernel, initrd: initrd}]}\n"
    )
    for name, path in (("kernel", hd0.built.plan.entries[0].kernel), ("initrd", hd0.built.plan.entries[0].initrd)):
        subprocess.run(["debugfs", "-R", f"dump {path} {tmp_path / name}", str(hd0.path)], check=True)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    image = build_recipe(recipe, tmp_path / "small.raw", user_cache)
    assert image.built.plan.epoch == 1700000000
    found = subprocess.run(
        ["debugfs", "-R", "stat /etc/new", str(image.path)], capture_output=True, text=True, check=True
    )
    times = [line.split()[1].split(":")[0] for line in found.stdout.splitlines() if "time: 0x" in line]
    assert {int(moment, 16) for moment in times} == {1700000000}
