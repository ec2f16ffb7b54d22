"""The shell functions that stand in for mkinitramfs's thousands of processes say what the programs say."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from imagebuild.rootfs import quick_initrd

SCRIPT = Path(quick_initrd.__file__).with_name("fewer_processes.sh")
PATHS = (
    "real/file", "real", "link/file", "link", "to-file", "dangling", "missing", "missing/below", "real/./file",
    "real/../real/file", "real//file", "real/file/", "real/", "with space", "", "*",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/file").touch()
    (tmp_path / "with space").touch()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "to-file").symlink_to("real/file")
    (tmp_path / "dangling").symlink_to("nowhere")
    return tmp_path


@pytest.mark.parametrize("call", ["readlink -f", "realpath -s", "realpath -ms", "readlink", "realpath"])
def test_the_functions_answer_as_the_programs_do(folder: Path, call: str) -> None:
    program, *options = call.split()
    names = [f"{start}{folder}/{path}" for path in PATHS for start in ("", "/")]
    names += [*PATHS, "/", "//", "/bin", "/.", "-x"]
    script = 'call="$1"; shift; for name; do $call "$name" 2>/dev/null; echo "$?"; done'
    words = ["sh", f"{program} {' '.join(options)}", *names]
    ours, theirs = (
        subprocess.run(["dash", "-c", before + script, *words], cwd=folder, capture_output=True, text=True, check=True)
        for before in (f'. "{SCRIPT}"; ', "")
    )
    assert ours.stdout == theirs.stdout


def test_a_folder_is_made_only_where_there_is_none(folder: Path) -> None:
    script = (
        f'. "{SCRIPT}"; mkdir -p "$0/real" "$0/a b" && mkdir -p "$0/new/er" && mkdir -p "$0/real" && ! mkdir "$0/real"'
    )
    subprocess.run(["dash", "-c", script, str(folder)], capture_output=True, check=True)
    assert (folder / "new/er").is_dir()
    assert (folder / "a b").is_dir()


def test_nothing_is_left_in_the_tree(tmp_path: Path) -> None:
    hooks = tmp_path / "usr/share/initramfs-tools/conf-hooks.d"
    assert quick_initrd.lend(tmp_path) is None
    hooks.mkdir(parents=True)
    before = hooks.stat().st_mtime_ns
    lent = quick_initrd.lend(tmp_path)
    assert [path.name for path in hooks.iterdir()] == ["imagebuild"]
    assert lent is not None
    quick_initrd.take_back(tmp_path, lent)
    assert not list(hooks.iterdir())
    assert hooks.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("package", "script", "made"),
    [
        ("linux-image-6.1.0-1-amd64", "postinst", False),
        ("initramfs-tools", "postinst", True),
        ("linux-image-6.1.0-1-amd64", "prerm", True),
        ("", "", True),
    ],
)
def test_a_kernels_own_script_leaves_the_initrd_to_the_trigger(
    tmp_path: Path, package: str, script: str, made: bool
) -> None:
    outfile = tmp_path / "initrd.img-6.1.0-1-amd64.new"
    environment = {
        "PATH": "/usr/bin:/bin", **quick_initrd.environment(),
        "DPKG_MAINTSCRIPT_PACKAGE": package, "DPKG_MAINTSCRIPT_NAME": script,
    }  # fmt: skip
    mkinitramfs = f'outfile="$0"; . "{SCRIPT}"; echo made >"$outfile"'
    subprocess.run(["dash", "-c", mkinitramfs, str(outfile)], env=environment, check=True)
    assert outfile.read_text() == ("made\n" if made else "")


def test_an_initrd_that_no_trigger_made_is_made_in_the_end(tmp_path: Path) -> None:
    (tmp_path / "boot").mkdir()
    (tmp_path / "boot/initrd.img-1").touch()
    (tmp_path / "boot/initrd.img-2").write_text("made by the trigger")
    (tmp_path / "chroot").write_text('#!/bin/sh\necho "$*" >>"$1/calls"; [ ! -e "$1/bad" ]\n')
    (tmp_path / "chroot").chmod(0o755)
    words = ["sh", "-c", quick_initrd.HOOK_REMAINING, "sh", str(tmp_path)]
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    subprocess.run(words, env=environment, check=True)
    assert (tmp_path / "calls").read_text() == f"{tmp_path} update-initramfs -u -k 1\n"
    (tmp_path / "bad").touch()
    assert subprocess.run(words, env=environment).returncode == 1


def test_modules_are_copied_together_before_the_hooks_run(tmp_path: Path) -> None:
    """Each once, with its time; what is a link, or no module, is left to mkinitramfs's own function."""
    modules, target = tmp_path / "lib/modules/6.1", tmp_path / "target"
    (modules / "kernel").mkdir(parents=True)
    target.mkdir()
    for name in ("one", "two"):
        (modules / f"kernel/{name}.ko").write_text(name)
        os.utime(modules / f"kernel/{name}.ko", (1000, 1000))
    (modules / "linked").symlink_to("kernel")
    (tmp_path / "hook-functions").write_text(
        'copy_file() {\n\techo "own $2"\n}\n\nrun_scripts()\n{\n\techo "scripts $1"\n}\n'
    )
    text = SCRIPT.read_text().replace("/usr/share/initramfs-tools/hook-functions", str(tmp_path / "hook-functions"))
    text = text.replace("/lib/modules/", f"{tmp_path}/lib/modules/").replace("_imagebuild_from=/usr", ":")
    names = [f"{modules}/{name}" for name in ("kernel/one.ko", "kernel/two.ko", "kernel/one.ko", "linked/two.ko")]
    names += [f"{modules}/kernel/missing.ko", "/etc/passwd"]
    calls = "".join(f"copy_file module {name}; echo $?\n" for name in names)
    script = f". {tmp_path}/script\nverbose=n\n{calls}run_scripts /hooks\ncopy_file module {names[0]}\n"
    (tmp_path / "script").write_text(text)
    words = ["dash", "-c", f'DESTDIR="{target}"; set -- 6.1\n{script}']
    told = subprocess.run(words, capture_output=True, text=True, check=True)
    left = [f"own {name}" for name in names]
    assert told.stdout.splitlines() == [
        "0",
        "0",
        "1",
        left[3],
        "0",
        left[4],
        "0",
        left[5],
        "0",
        "scripts /hooks",
        left[0],
    ]
    for name in ("one", "two"):
        copied = target / f"usr{modules}/kernel/{name}.ko"
        assert (copied.read_text(), copied.stat().st_mtime) == (name, 1000)
    assert not (tmp_path / "target.modules").exists()


def test_modinfo_is_asked_only_about_modules_that_name_a_firmware(tmp_path: Path) -> None:
    modules = tmp_path / "lib/modules/6.1"
    modules.mkdir(parents=True)
    (modules / "with.ko").write_bytes(b"\0firmware=some.bin\0")
    (modules / "without.ko").write_bytes(b"\0license=GPL\0")
    (tmp_path / "modinfo").write_text('#!/bin/sh\necho "asked about $5"\n')
    (tmp_path / "modinfo").chmod(0o755)
    (tmp_path / "script").write_text(SCRIPT.read_text().replace("/lib/modules/", f"{tmp_path}/lib/modules/"))
    calls = "".join(f"modinfo -k 6.1 -F firmware {modules}/{name}.ko\n" for name in ("with", "without", "missing"))
    words = ["dash", "-c", f"set -- 6.1\n. {tmp_path}/script\n{calls}"]
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    told = subprocess.run(words, capture_output=True, text=True, env=environment)
    assert told.stdout == "".join(f"asked about {modules}/{name}.ko\n" for name in ("with", "missing"))
