"""Real boots: a good image on both machines, then one sabotage for each thing that only a boot can tell."""

from __future__ import annotations

import gzip
import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from imagebuild.events import Quiet
from imagebuild.host.acceleration import accelerator, runs_a_guest
from imagebuild.host.cache import Cache
from imagebuild.report import BootEnd, Outcome, Verdict
from imagebuild.testhost import TestHost
from imagebuild.verify.runner import BootSettings, Request, Verification, verify_image
from imagebuild.verify.state import KIND as STATE
from imagebuild.vocabulary import MachineName
from tests.boot.conftest import change_menu, read_file, replace_file

pytestmark = [pytest.mark.boot, pytest.mark.needs("qemu", "testhost")]
Copy = Callable[[], Path]


def verify(image: Path, output: Path, cache: Cache, *machines: MachineName, **more: object) -> Verification:
    request = Request(image, output, machines, **more)  # type: ignore[arg-type]  # a test's own words
    return verify_image(request, cache=cache, progress=Quiet())


def failure(verification: Verification, machine: MachineName) -> str:
    """The detail of the machine's failed check."""
    assert verification.verdict is Verdict.FAILED
    return next(check.detail for check in verification.checks if check.machine == machine)


def test_an_image_taken_from_a_qcow2_reaches_its_login_prompt_on_both_machines(
    rebundled_image: Path, output: Path, user_cache: Cache, test_host: TestHost
) -> None:
    before = rebundled_image.stat()
    settings = BootSettings(expect="rebundled login:")
    found = verify(rebundled_image, output, user_cache, "qemu", "xen", qemu=settings, xen=settings)
    assert found.verdict is Verdict.PASSED, found
    qemu, xen = found.boots
    assert [milestone.name for milestone in qemu.milestones] == ["kernel", "root", "init", "login"]
    assert [milestone.name for milestone in xen.milestones] == [
        "xen", "dom0", "guest", "loader", "kernel", "root", "init", "login",
    ]  # fmt: skip
    assert qemu.loader.kind == "direct"
    assert xen.loader.kind in ("stand-in", "pv-grub")
    assert (output / xen.console).read_bytes().startswith(b"(XEN)") or b"Xen version" in (
        output / xen.console
    ).read_bytes()
    assert b"login:" in (output / qemu.console).read_bytes()
    after = rebundled_image.stat()
    assert (before.st_mtime_ns, before.st_ctime_ns) == (after.st_mtime_ns, after.st_ctime_ns), "nobody wrote to it"


@pytest.mark.needs("pv-grub")
def test_a_good_image_reaches_its_login_prompt_behind_the_genuine_loader(
    good_image: Path, output: Path, user_cache: Cache
) -> None:
    found = verify(good_image, output, user_cache, "xen", pv_grub=Path(os.environ["IMAGEBUILD_PV_GRUB"]))
    assert found.verdict is Verdict.PASSED
    assert found.boots[0].loader.kind == "pv-grub"


def test_a_wrong_root_is_found(copy_of: Copy, output: Path, tmp_path: Path, user_cache: Cache) -> None:
    image = copy_of()
    change_menu(
        image, tmp_path, lambda text: re.sub(r"root=UUID=\S+", f"root=UUID={'9' * 8}-0000-0000-0000-000000000000", text)
    )
    found = verify(image, output, user_cache, "qemu")
    assert "root filesystem was not found" in failure(found, "qemu")
    assert found.boots[0].end is BootEnd.FATAL


def test_an_initrd_without_xen_s_disks_is_found(copy_of: Copy, output: Path, tmp_path: Path, user_cache: Cache) -> None:
    image = copy_of()
    match = re.search(r"^initrd\s+(\S+)", read_file(image, "/boot/grub/menu.lst", tmp_path).decode(), re.MULTILINE)
    assert match
    packed = read_file(image, match[1], tmp_path)
    plain = gzip.decompress(packed) if packed[:2] == b"\x1f\x8b" else unpacked(packed)
    assert plain.count(b"xen-blkfront.ko\0") == 1
    spoilt = plain.replace(b"xen-blkfront.ko\0", b"xen-nothing!.ko\0")
    replace_file(image, match[1], gzip.compress(spoilt, 1), tmp_path)
    found = verify(image, output, user_cache, "xen")
    assert "root filesystem was not found" in failure(found, "xen")


def unpacked(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)).read()


def test_a_kernel_that_is_not_there_is_found(copy_of: Copy, output: Path, tmp_path: Path, user_cache: Cache) -> None:
    image = copy_of()
    change_menu(image, tmp_path, lambda text: re.sub(r"^(kernel\s+\S+)", r"\1.gone", text, flags=re.MULTILINE))
    found = verify(image, output, user_cache, "qemu", "xen")
    assert "names nothing that can be started" in failure(found, "qemu")
    assert "the loader gave up" in failure(found, "xen")


def test_a_menu_without_timeout_is_found_at_once(
    copy_of: Copy, output: Path, tmp_path: Path, user_cache: Cache
) -> None:
    image = copy_of()
    change_menu(image, tmp_path, lambda text: re.sub(r"^timeout.*\n", "", text, flags=re.MULTILINE))
    assert "waits forever" in failure(verify(image, output, user_cache, "xen"), "xen")


def test_no_menu_is_found_and_a_damaged_state_of_dom0_is_made_anew(
    copy_of: Copy, output: Path, tmp_path: Path, own_cache: Cache, test_host: TestHost
) -> None:
    image = copy_of()
    replace_file(image, "/boot/grub/menu.lst", None, tmp_path)
    verify(image, output, own_cache, "xen")
    (state,) = (own_cache.root / STATE).glob("*/memory")
    state.write_bytes(b"no state at all")
    found = verify(image, output, own_cache, "xen")
    assert "no menu at" in failure(found, "xen") or "prompt" in failure(found, "xen")
    (again,) = (own_cache.root / STATE).glob("*/memory")
    assert again.stat().st_size > 2**20


def test_silence_within_the_limit_says_nothing_about_the_image(
    good_image: Path, output: Path, user_cache: Cache
) -> None:
    found = verify(good_image, output, user_cache, "qemu", qemu=BootSettings(timeout_seconds=1))
    assert found.verdict is Verdict.UNVERIFIED
    assert found.checks[0].outcome is Outcome.SKIPPED
    assert "the boot was not decided within" in found.unverified_because
    assert found.boots[0].end is BootEnd.TIMEOUT


def test_ctrl_c_leaves_nothing_behind(good_image: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    words = [
        sys.executable,
        "-m",
        "imagebuild",
        "verify",
        str(good_image),
        "--with",
        "qemu,xen",
        "-o",
        str(tmp_path / "out"),
    ]
    process = subprocess.Popen(words, env=os.environ | {"TMPDIR": str(scratch)}, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while len(machines_below(process.pid)) < 2 and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.2)
        machines = machines_below(process.pid)
        assert machines
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    finally:
        process.kill()
    assert not [pid for pid in machines if Path(f"/proc/{pid}").exists()]
    assert not list(scratch.iterdir())


def machines_below(pid: int) -> list[int]:
    """The QEMU processes that are children of this one."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, rest = status.read_text().split(")", 1)
        except OSError:
            continue
        if int(rest.split()[1]) == pid and "(qemu-system" in name:
            found.append(int(status.parent.name))
    return found


def test_an_accelerator_is_one_that_has_run_a_guest(own_cache: Cache) -> None:
    assert runs_a_guest("tcg", limit_seconds=30)
    chosen = accelerator(own_cache)
    assert chosen == "tcg" or runs_a_guest("kvm")
    assert accelerator(own_cache) == chosen
