"""Programs that judge an image are killed, starved and slowed: nobody has said anything about the image then."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from imagebuild.errors import VerifyError
from imagebuild.events import Quiet
from imagebuild.host import command, namespace
from imagebuild.host.cache import Cache
from imagebuild.image import readers
from imagebuild.image.subject import open_subject
from imagebuild.report import Outcome, Verdict
from imagebuild.testhost import TestHost, Tools
from imagebuild.testhost.tools import GRUB_SHELL
from imagebuild.verify import disk_checks, grub_shell, kept, pygrub_checks
from imagebuild.verify.request import Request
from imagebuild.verify.static import StaticResult, run_static
from tests.images import Filesystem, kernel, make_image, make_partitioned, menu, noise, tree

pytestmark = [pytest.mark.integration, pytest.mark.needs("testhost")]
FAULTS = {
    "killed": "kill -9 $$",
    "odd end": "echo all is well; exit 77",
    "slow": "exec sleep 600",
}
MEANS = {
    "killed": "it was ended by SIGKILL",
    "odd end": "it ended with 77",
    "slow": "did not end within",
}
# Each witness, and a check whose word it is.
ON_PATH = {"debugfs": "holes", "e2fsck": "filesystem", "sfdisk": "partition-table"}
LOADER = Path("lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
OF_TEST_HOST = {GRUB_SHELL: "loader-reads", "pygrub": "pygrub"}


V4 = "-m crc=0 -n ftype=0"


def _partitioned(target: Path, padding: bytes = b"") -> Path:
    files = tree(menu=menu(root="(hd0,0)").encode(), kernel=kernel(padding=padding))
    return make_partitioned(target, Filesystem(files))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return _partitioned(tmp_path / "good.raw")


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """No witness gets its whole time."""
    monkeypatch.setattr(readers, "_TIMEOUT_SECONDS", 2)
    monkeypatch.setattr(disk_checks, "_FSCK_TIMEOUT_SECONDS", 2)
    monkeypatch.setattr(disk_checks, "_SFDISK_TIMEOUT_SECONDS", 2)
    monkeypatch.setattr(pygrub_checks, "_TIMEOUT_SECONDS", 2)
    monkeypatch.setattr(grub_shell, "_LEAST_SECONDS", 2)


def _fake(program: Path, fault: str, real: str, when: str) -> None:
    """A program that fails when `when` (a pattern of sh's) is among its arguments, and else is the real one."""
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f'#!/bin/sh\ncase " $* " in {when}) {FAULTS[fault]};; esac\nexec {real} "$@"\n')
    program.chmod(0o755)


def _checks(image: Path, tools: Tools, scratch: Path) -> StaticResult:
    with open_subject(image, tools, scratch) as subject:
        return run_static(subject, Quiet())


def _assert_unheard(result: StaticResult, check: str, fault: str) -> None:
    """No check has failed for it, and the one that needs the witness says what befell it."""
    assert [found for found in result.checks if found.outcome is Outcome.FAILED] == []
    assert [line for line in result.unheard if line.startswith(f"{check}: ") and MEANS[fault] in line], result.unheard
    found = [found for found in result.checks if found.name == check]
    assert found[-1].outcome is Outcome.SKIPPED
    assert found[-1].detail.startswith("could not verify: ")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("witness", ON_PATH)
@pytest.mark.usefixtures("hurried")
def test_a_program_of_this_machine(
    witness: str, fault: str, image: Path, tmp_path: Path, test_host: TestHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """debugfs fails at the kernel's inode only, sfdisk at `--verify`: what was asked before was answered."""
    when = {"debugfs": "*vmlinuz*", "sfdisk": "*--verify*"}.get(witness, "*")
    _fake(tmp_path / "fakes" / witness, fault, str(command.find(witness)), when)
    monkeypatch.setenv("PATH", f"{tmp_path / 'fakes'}:{os.environ['PATH']}")
    _assert_unheard(_checks(image, test_host.tools, tmp_path), ON_PATH[witness], fault)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("witness", OF_TEST_HOST)
@pytest.mark.usefixtures("hurried")
def test_a_program_of_the_test_host(witness: str, fault: str, image: Path, tmp_path: Path, test_host: TestHost) -> None:
    """The test host's programs are started by its own dynamic loaders: these are exchanged."""
    tools = Tools(tmp_path / "host")
    loader = Path("lib32/ld-linux.so.2") if witness == GRUB_SHELL else LOADER
    for directory in reversed(loader.parents):
        (tools.root / directory).mkdir()
        for path in (test_host.tools.root / directory).iterdir():
            if path.relative_to(test_host.tools.root) not in (loader, *loader.parents):
                (tools.root / directory / path.name).symlink_to(path)
    _fake(tools.root / loader, fault, str(test_host.tools.root / loader), "*")
    _assert_unheard(_checks(image, tools, tmp_path), OF_TEST_HOST[witness], fault)


@pytest.mark.parametrize("fault", ["killed", "slow"])
@pytest.mark.usefixtures("hurried")
def test_grub2s_reader_of_other_filesystems(
    fault: str, tmp_path: Path, test_host: TestHost, needs: Callable[..., None]
) -> None:
    needs("mkfs.xfs")
    image = make_image(tmp_path / "xfs.raw", Filesystem(type="xfs", features=V4, size_bytes=320 * 2**20))
    _checks(image, test_host.tools, tmp_path)  # it can be read
    tools = Tools(tmp_path / "host")
    _fake(tools.root / LOADER, fault, "false", "*")
    with pytest.raises(VerifyError, match=f"grub-fstest could not be heard: .*{MEANS[fault]}"):
        _checks(image, tools, tmp_path)


@pytest.mark.usefixtures("hurried", "test_host")
def test_the_verdict_is_not_cached(
    image: Path, tmp_path: Path, user_cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen once: debugfs killed for want of memory made an image bad, and so it stayed."""
    request = Request(image, tmp_path, ("static",))
    for program, when in (("e2fsck", "*"), ("debugfs", "*")):
        with monkeypatch.context() as patched:
            _fake(tmp_path / "fakes" / program, "killed", str(command.find(program)), when)
            patched.setenv("PATH", f"{tmp_path / 'fakes'}:{os.environ['PATH']}")
            if program == "debugfs":
                with pytest.raises(VerifyError, match="debugfs could not be heard: it was ended by SIGKILL"):
                    kept.verify_image(request, cache=user_cache, progress=Quiet())
            else:
                result = kept.verify_image(request, cache=user_cache, progress=Quiet())
                assert result.verdict is Verdict.UNVERIFIED
                assert "e2fsck could not be heard: it was ended by SIGKILL" in result.unverified_because
    assert not kept.verify_image(request, cache=user_cache, progress=Quiet()).kept_at


@pytest.mark.needs("namespace")
@pytest.mark.usefixtures("test_host")
@pytest.mark.parametrize("room_kib", [16, 64, 400])
def test_a_full_directory_for_temporary_files(room_kib: int, tmp_path: Path) -> None:
    """From nothing to almost enough: each time it is this machine's trouble, exit code 6."""
    _partitioned(tmp_path / "good.raw", padding=noise(2**20))
    small = tmp_path / "small"
    small.mkdir()
    script = f'mount -t tmpfs -o size={room_kib}k small "$1" && shift && exec "$@"'
    verb = [sys.executable, "-m", "imagebuild", "verify", "--with", "static", "good.raw"]
    done = subprocess.run(
        [*namespace.prefix(), "sh", "-c", script, "sh", str(small), *verb],
        cwd=tmp_path, env=os.environ | {"TMPDIR": str(small)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == VerifyError.exit_code, done.stdout + done.stderr
    assert "no space left" in (done.stdout + done.stderr).lower()
