"""boot.menu: the program in the image, run by dash on small /boot directories; and what the planner makes of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import zstandard

from imagebuild.bootloaders.menu import Menu, parse_menu
from imagebuild.errors import PlanError
from imagebuild.formats.bzimage import payload_compression
from imagebuild.formats.repack import unpack_payload
from imagebuild.plan import kernel_updates
from imagebuild.plan.facts import Noted, TreeFacts
from imagebuild.plan.planner import make_plan
from imagebuild.plan.steps import Plan, WriteFile
from tests import images
from tests.unit.plan.test_planner import facts, kernel, lvm_disk, recipe

PROGRAM = Path(kernel_updates.__file__).parent / "update_menu.sh"
OLD, NEW = "6.1.0-9-amd64", "6.1.0-10-amd64"
ELF = b"\x7fELF" + bytes(12) + images.noise(300_000, 5)
# What the program starts to change something, or in the middle of changing it.
CHANGING = ("dd", "mv", "rm", "chmod", "cat", "head", "gzip", "zstd", "sync")


def bzimage(payload: bytes) -> bytes:
    return images.kernel(payload=payload)


def zstd_kernel() -> bytes:
    return bzimage(zstandard.ZstdCompressor().compress(ELF) + len(ELF).to_bytes(4, "little"))


class Tree:
    """A root directory with /boot, for which DPKG_ROOT leads the program there."""

    def __init__(self, root: Path, **settings: str) -> None:
        self.root, self.boot, self.menu = root, root / "boot", root / "boot/grub/menu.lst"
        self.menu.parent.mkdir(parents=True)
        self.menu.write_text("title old\n")
        texts = {
            "TITLE": "web", "DEVICE": "(hd0,0)", "DIRECTORY": "", "COMMAND_LINE": "root=UUID=1 ro", "TIMEOUT": "3",
            "KERNELS": "*", "UNPACKS": "none gzip xz", "REPACK": "yes", "INITRD": "yes",
        }  # fmt: skip
        (root / "etc/imagebuild").mkdir(parents=True)
        lines = [f"{name}='{value}'\n" for name, value in {**texts, **settings}.items()]
        (root / "etc/imagebuild/menu.conf").write_text("".join(lines))

    def add(self, version: str, kernel: bytes | None = None, *, initrd: str | None = "initrd.img-{}") -> None:
        (self.boot / f"vmlinuz-{version}").write_bytes(images.kernel() if kernel is None else kernel)
        if initrd:
            (self.boot / initrd.format(version)).write_bytes(images.noise(2000))

    def run(self, *arguments: str, path: Path | None = None, **more: Any) -> subprocess.CompletedProcess[str]:
        search = f"{path}:{os.environ['PATH']}" if path else os.environ["PATH"]
        return subprocess.run(
            ["dash", str(PROGRAM), *arguments], env={"DPKG_ROOT": str(self.root), "PATH": search},
            capture_output=True, text=True, timeout=60, check=False, **more,
        )  # fmt: skip

    def written(self, *arguments: str, path: Path | None = None) -> Menu:
        ended = self.run(*arguments, path=path)
        assert ended.returncode == 0, ended.stderr
        return parse_menu(self.menu.read_text())

    def versions(self) -> list[str]:
        return [entry.title.removeprefix("web, Linux ") for entry in parse_menu(self.menu.read_text()).entries]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "root")


def program(directory: Path, name: str, text: str) -> Path:
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(f"#!/bin/sh\n{text}\n")
    (directory / name).chmod(0o755)
    return directory


def running(tmp_path: Path, version: str) -> Path:
    return program(tmp_path / "running", "uname", f"echo {version}")


def test_the_newest_comes_first_by_its_number(tree: Tree, tmp_path: Path) -> None:
    for version in (OLD, NEW, "6.12-rc2-amd64", "6.12-amd64"):
        tree.add(version)
    tree.written()
    assert tree.versions() == ["6.12-amd64", "6.12-rc2-amd64", NEW, OLD]


def test_the_menu_is_the_planner_s(tmp_path: Path) -> None:
    """The first menu, which imagebuild writes, and those that follow differ in comments alone."""
    wanted = recipe(boot={"menu": "maintained"}, disk=lvm_disk())
    plan = make_plan(wanted, debian(kernel(NEW), kernel(OLD)))
    tree = Tree(tmp_path / "root")
    (tree.root / "etc/imagebuild/menu.conf").write_text(content(plan, kernel_updates.SETTINGS_PATH))
    tree.add(OLD)
    tree.add(NEW)
    found, planned = tree.written(), parse_menu(plan.menu)
    assert (found.default, found.timeout, found.fallback) == (planned.default, planned.timeout, planned.fallback)
    assert found.entries == planned.entries


@pytest.mark.parametrize(("version", "fallback"), [(OLD, 1), (NEW, 1), ("5.0", 1), ("6.1.0-8-amd64", 2)])
def test_the_running_kernel_is_the_fallback(version: str, fallback: int, tree: Tree, tmp_path: Path) -> None:
    for name in ("6.1.0-8-amd64", OLD, NEW):
        tree.add(name)
    assert tree.written(path=running(tmp_path, version)).fallback == (fallback,)


def test_a_single_kernel_has_no_fallback(tree: Tree) -> None:
    tree.add(OLD)
    assert tree.written().fallback == ()


def test_what_the_loader_could_not_start_is_left_out_and_named(tree: Tree) -> None:
    tree.add(OLD)
    tree.add("7.1", initrd=None)
    tree.add("7.2", bzimage(b"\x28\xb5\x2f\xfd" + images.noise(900)))  # no zstd stream
    tree.add("7.3", bzimage(b"\x89LZO" + images.noise(900)))
    tree.add("7.4", images.kernel()[:-100])
    tree.add("7.5", b"text")
    tree.add("7.6.old")
    ended = tree.run()
    assert ended.returncode == 0
    assert tree.versions() == [OLD]
    for words in ("7.1 is left out: it has no initrd", "7.2 (zstd) cannot be repacked", "7.3 (lzo) is left out",
                  "7.4 (damaged)", "7.5 (damaged)"):  # fmt: skip
        assert words in ended.stderr
    assert not list(tree.boot.rglob("*.new"))


def test_initrds_of_every_family_are_found(tree: Tree) -> None:
    names = ("initrd.img-{}", "initramfs-{}.img", "initrd-{}.img", "initrd-{}")
    for number, name in enumerate(names):
        tree.add(f"6.{number}", initrd=name)
    assert [entry.initrd for entry in tree.written().entries] == [
        "/" + name.format(f"6.{number}") for number, name in reversed(list(enumerate(names)))
    ]


def test_a_kernel_about_to_be_removed_and_patterns(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "root", KERNELS="6.1.* 5*")
    for version in (OLD, NEW, "5.10", "6.12"):
        tree.add(version)
    tree.written("--without", NEW)
    assert tree.versions() == [OLD, "5.10"]


def test_a_menu_that_starts_nothing_is_not_written(tree: Tree) -> None:
    tree.add(OLD)
    ended = tree.run("--without", OLD)
    assert ended.returncode == 0
    assert "stays as it is" in ended.stderr
    assert tree.menu.read_text() == "title old\n"


def test_a_zstd_kernel_gets_a_payload_that_the_loader_unpacks(tree: Tree) -> None:
    tree.add(NEW, zstd_kernel())
    tree.written()
    data = (tree.boot / f"vmlinuz-{NEW}").read_bytes()
    begin = (data[0x1F1] + 1) * 512 + int.from_bytes(data[0x248:0x24C], "little")
    payload = data[begin : begin + int.from_bytes(data[0x24C:0x250], "little")]
    assert payload_compression(payload) == "gzip"
    assert unpack_payload(payload) == ELF
    assert begin + len(payload) == len(data)
    assert tree.versions() == [NEW]
    before = data
    tree.written()
    assert (tree.boot / f"vmlinuz-{NEW}").read_bytes() == before


def test_a_file_with_a_hole_is_written_whole(tree: Tree) -> None:
    tree.add(OLD)
    path = tree.boot / f"initrd.img-{OLD}"
    with path.open("r+b") as file:
        file.truncate(2**20)
    ended = tree.run()
    assert "has holes" in ended.stderr
    assert path.stat().st_size == 2**20
    assert path.stat().st_blocks * 512 >= 2**20


@pytest.mark.skipif(os.geteuid() != 0 and not os.environ.get("CI"), reason="mounts a tmpfs")
def test_a_full_boot_keeps_its_menu(tree: Tree) -> None:
    """A real one: a tmpfs of 128 KiB, filled to its last block."""
    script = (
        'mount -t tmpfs -o size=128k tmpfs "$1/boot" && mkdir "$1/boot/grub" && '
        'echo "title old" >"$1/boot/grub/menu.lst"'
        f' && cp "$1/kernel" "$1/boot/vmlinuz-{OLD}" && cp "$1/kernel" "$1/boot/initrd.img-{OLD}"; '
        'cat /dev/zero >"$1/boot/rest"; dash "$2"; echo "exit $?"; cat "$1/boot/grub/menu.lst"; ls "$1/boot/grub"'
    )
    (tree.root / "kernel").write_bytes(images.kernel())
    ended = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", str(tree.root), str(PROGRAM)],
        env={"DPKG_ROOT": str(tree.root), "PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.stdout == "exit 1\ntitle old\nmenu.lst\n", ended.stderr
    assert "is " in ended.stderr
    assert "full?" in ended.stderr


def killing(directory: Path, count: Path, number: int, *, after: bool) -> Path:
    """Programs that do as the real ones, and kill the whole process group at the `number`th start of one of them."""
    for name in CHANGING:
        real = shutil.which(name)
        kill = f'if [ "$(wc -c <{count})" -ge {number} ]; then kill -9 0; fi'
        first, last = ("", kill) if after else (kill, "")
        program(directory, name, f'printf . >>{count}\n{first}\n{real} "$@"\nstatus=$?\n{last}\nexit $status')
    return directory


def sound(tree: Tree) -> bool:
    """Every entry of the menu is a kernel that the loader unpacks, with an initrd."""
    for entry in parse_menu(tree.menu.read_text()).entries:
        assert entry.kernel is not None
        assert entry.initrd is not None
        data = (tree.boot / entry.kernel.lstrip("/")).read_bytes()
        begin = (data[0x1F1] + 1) * 512 + int.from_bytes(data[0x248:0x24C], "little")
        payload = data[begin : begin + int.from_bytes(data[0x24C:0x250], "little")]
        if (
            payload_compression(payload) not in ("gzip", "xz")
            or not (tree.boot / entry.initrd.lstrip("/")).stat().st_size
        ):
            return False
    return True


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_step_it_leaves_a_menu_that_starts(after: bool, tmp_path: Path) -> None:
    seen = set()
    for number in range(1, 60):
        tree = Tree(tmp_path / f"{number}")
        tree.add(OLD)
        tree.written()
        before = tree.menu.read_text()
        tree.add(NEW, zstd_kernel())
        count = tree.root / "count"
        count.touch()
        ended = tree.run(path=killing(tree.root / "bin", count, number, after=after), start_new_session=True)
        if ended.returncode == 0:
            break
        assert sound(tree)
        seen.add(tree.menu.read_text() == before)
        tree.written()
        assert tree.versions() == [NEW, OLD]
        assert not list(tree.boot.rglob("*.new"))
        shutil.rmtree(tree.root)
    assert number > 8  # it was killed in the middle of something
    assert True in seen


def debian(*kernels: Any) -> TreeFacts:
    found = facts(*kernels)
    noted = [Noted(path=path, kind="file") for path in ("/usr/lib/systemd/systemd", "/usr/bin/zstd")]
    return found.model_copy(update={"noted": tuple(noted)})


def content(plan: Plan, path: str) -> str:
    return next(
        edit.content for edit in (*plan.edits, *plan.finishing) if isinstance(edit, WriteFile) and edit.path == path
    )


def paths(plan: Plan) -> set[str]:
    return {edit.path for edit in (*plan.edits, *plan.finishing) if isinstance(edit, WriteFile)}


def test_debian_gets_its_hooks() -> None:
    plan = make_plan(recipe(boot={"menu": "maintained"}), debian())
    for directory in ("postinst.d", "prerm.d", "postrm.d"):
        assert f"/etc/kernel/{directory}/zz-imagebuild-menu" in paths(plan)
    assert f"/etc/systemd/system/{kernel_updates.UNIT_NAME}" in paths(plan)
    assert kernel_updates.PREFERENCES_PATH not in paths(plan)


def test_kernel_install_gets_its_own() -> None:
    tree = debian().model_copy(
        update={"family": "fedora", "noted": (Noted(path="/usr/bin/kernel-install", kind="file"),)}
    )
    plan = make_plan(recipe(boot={"menu": "maintained"}), tree)
    assert "/etc/kernel/install.d/95-imagebuild-menu.install" in paths(plan)


def test_a_fixed_menu_keeps_its_kernels_packages() -> None:
    plan = make_plan(recipe(), debian(kernel(package="linux-image-6.1.0-56-amd64")))
    assert '"^linux\\-image\\-6\\.1\\.0\\-56\\-amd64$";' in content(plan, kernel_updates.AUTOREMOVE_PATH)
    assert "Package: linux-image-6.1.0-56-amd64\n" in content(plan, kernel_updates.PREFERENCES_PATH)
    assert kernel_updates.PROGRAM_PATH not in paths(plan)
    assert kernel_updates.PREFERENCES_PATH not in paths(make_plan(recipe(), debian()))


@pytest.mark.parametrize(
    ("boot", "tree", "words"),
    [
        ({"default": 1}, debian(kernel(NEW), kernel(OLD)), "the newest kernel is its default"),
        ({"fallback": 0}, debian(), "the newest kernel is its default"),
        ({"kernels": [{"version": "*", "title": "mine"}]}, debian(), "names its entries itself"),
        ({}, debian(kernel(path="/boot/bzImage")), "not named as kernel packages"),
        ({}, debian().model_copy(update={"family": "suse", "noted": ()}), "nothing in this tree"),
        (
            {"repack": "gzip"},
            debian(kernel(compression="zstd")).model_copy(update={"noted": ()}),
            "it lacks the program zstd",
        ),
    ],
)  # fmt: skip
def test_what_a_maintained_menu_refuses(boot: dict[str, Any], tree: TreeFacts, words: str) -> None:
    with pytest.raises(PlanError, match=words):
        make_plan(recipe(boot={"menu": "maintained", **boot}), tree)
