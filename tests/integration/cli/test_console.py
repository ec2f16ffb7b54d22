"""`boot`, `shell` and `completion`, with the real programs."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from imagebuild.cli.run import run
from tests.boot_code import for_pcs

pytestmark = pytest.mark.integration
MIB = 2**20


def imagebuild(*words: str, **options: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "imagebuild", *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=900, **options)  # type: ignore[call-overload,no-any-return]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An hd0 image whose kernel is none."""
    tree = tmp_path / "tree"
    (tree / "boot/grub").mkdir(parents=True)
    (tree / "etc").mkdir()
    (tree / "etc/fstab").write_text("LABEL=root / ext4 defaults 0 1\n")
    (tree / "etc/hostname").write_text("looked-into\n")
    for folder in ("bin", "dev", "usr"):
        (tree / folder).mkdir()
    # shorter than the setup sectors that its header would name: QEMU refuses it at once, it never runs
    (tree / "boot/vmlinuz").write_bytes(b"no kernel" * 100)
    menu = "default 0\ntimeout 3\ntitle one\nroot (hd0)\nkernel /boot/vmlinuz root=LABEL=root console=hvc0\n"
    (tree / "boot/grub/menu.lst").write_text(menu)
    path = tmp_path / "an, image.raw"
    path.write_bytes(b"")
    os.truncate(path, 32 * MIB)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-L", "root", "-d", str(tree), str(path)], check=True)
    return path


@pytest.mark.needs("mke2fs", "debugfs", "qemu-system-x86_64")
def test_boot_hands_over_to_qemu_and_writes_nothing(image: Path) -> None:
    before = hashlib.sha256(image.read_bytes()).digest()
    done = imagebuild("boot", str(image), input="")
    assert done.returncode == 5, done.stderr
    assert "changes are discarded" in done.stderr
    assert "QEMU ended with 1" in done.stderr
    assert "kernel" in done.stderr.lower()
    assert hashlib.sha256(image.read_bytes()).digest() == before


@pytest.mark.needs("mke2fs", "debugfs", "qemu-system-x86_64")
def test_boot_says_why_there_is_nothing_to_boot(tmp_path: Path) -> None:
    path = tmp_path / "empty.raw"
    path.write_bytes(b"")
    os.truncate(path, 4 * MIB)
    done = imagebuild("boot", str(path))
    assert done.returncode == 6
    assert "its menu names nothing that can be started" in done.stderr
    assert imagebuild("boot", str(tmp_path / "nothing")).returncode == 2


@pytest.mark.needs("mke2fs", "guestfish", "guestfs")
def test_shell_looks_and_does_not_write(image: Path) -> None:
    before = hashlib.sha256(image.read_bytes()).digest()
    done = imagebuild("shell", str(image), input="cat /etc/hostname\n")
    assert done.returncode == 0, done.stderr
    assert "looked-into" in done.stdout
    assert hashlib.sha256(image.read_bytes()).digest() == before


@pytest.mark.needs("mke2fs", "debugfs", "guestfish", "guestfs", "qemu-img")
def test_shell_writes_when_it_is_asked_to(image: Path, tmp_path: Path) -> None:
    packed, unpacked = tmp_path / "packed.qcow2", tmp_path / "unpacked.raw"
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(image), str(packed)], check=True)
    done = imagebuild("shell", str(packed), "--write", input='write /etc/hostname "changed"\n')
    assert done.returncode == 0, done.stderr
    subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", str(packed), str(unpacked)], check=True)
    found = subprocess.run(["debugfs", "-R", "cat /etc/hostname", str(unpacked)], capture_output=True, check=True)
    assert found.stdout == b"changed"


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The argv of each program that would have taken the terminal; none is started."""
    argvs: list[list[str]] = []

    def foreground(argv: list[str], environment: dict[str, str] | None = None) -> int:
        argvs.append(argv)
        return 0

    monkeypatch.setattr("imagebuild.host.command.foreground", foreground)
    return argvs


@pytest.mark.needs("mke2fs", "debugfs", "qemu-system-x86_64", "testhost")
@pytest.mark.parametrize("xen", [False, True])
def test_the_disk_is_the_image_itself_only_with_keep(
    image: Path, xen: bool, seen: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """What QEMU is told; that guests boot so was tried by hand, since a boot takes minutes."""
    for keep in (False, True):
        assert run(["boot", str(image), *["--xen"] * xen, *["--keep"] * keep]) == 0
    drives = [next(word for word in argv if "id=image" in word) for argv in seen]
    assert "snapshot=on" in drives[0] or "read" in drives[0]
    assert "snapshot" not in drives[1]
    assert "format=raw" in drives[1]
    assert str(image).replace(",", ",,") in drives[1], "the image, not our name for it"
    assert all("mon:stdio" in argv for argv in seen)
    said = capsys.readouterr().err
    assert "changes are discarded" in said
    assert "the guest writes into the image" in said


@pytest.mark.needs("mke2fs", "debugfs", "qemu-system-x86_64", "testhost", "ovmf", "fat-tools")
def test_a_pc_starts_boot_code_where_there_is_some(
    image: Path, tmp_path: Path, seen: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["boot", str(image), "--mode", "uefi"]) == 6
    assert "carries no boot code for UEFI" in capsys.readouterr().err
    for mode in ("bios", "uefi", "pvh"):
        assert run(["boot", str(for_pcs(tmp_path / "pc.raw")), "--mode", mode]) == 0
    bios, uefi, pvh = seen
    assert "graphics=off" in bios
    assert any("pflash" in word for word in uefi)
    assert "qemu64,+svm,+npt" in pvh
    assert run(["boot", str(image), "--mode", "bios", "--xen"]) == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    done = imagebuild("completion", shell)
    assert done.returncode == 0
    assert "_IMAGEBUILD_COMPLETE" in done.stdout
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=done.stdout, text=True, check=True)


def test_bash_completes_verbs() -> None:
    environment = {
        **os.environ,
        "_IMAGEBUILD_COMPLETE": "complete_bash",
        "COMP_WORDS": "imagebuild va",
        "COMP_CWORD": "1",
    }
    code = "import sys; from imagebuild.cli import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["validate"]
