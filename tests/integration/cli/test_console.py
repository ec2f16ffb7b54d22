"""`boot`, `shell` and `completion`, with the real programs."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

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
    assert "changes are thrown away" in done.stderr
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
