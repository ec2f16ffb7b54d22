"""SIGTERM while libguestfs' appliance is at work: imagebuild ends, and QEMU with it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.needs("guestfs", "qemu")]
PROGRAM = """
import threading
from imagebuild.cli.signals import take_signals
from imagebuild.host.guest import appliance
from concurrent.futures import ThreadPoolExecutor
take_signals()
def work():
    with appliance([], acceleration="tcg", log=lambda line: None) as guest:
        guest.shell("sleep", "600")
try:
    with ThreadPoolExecutor(max_workers=1) as pool:  # as assemble/appliance.py has it
        pool.submit(work).result()
except KeyboardInterrupt:
    print("INTERRUPTED", flush=True)
"""


def _machines(parent: int) -> list[int]:
    """The QEMU processes below a process."""
    found = []
    for children in Path(f"/proc/{parent}/task").glob("*/children"):
        try:
            pids = [int(pid) for pid in children.read_text().split()]
            found += [pid for pid in pids if b"qemu-system" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        except OSError:
            continue
        for pid in pids:
            found += _machines(pid)
    return found


def test_it_ends_with_its_machine(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as process:
        deadline = time.monotonic() + 300
        while not (machines := [pid for pid in _machines(process.pid) if _is_the_appliance(pid)]):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)  # the appliance's command runs for 600 s
    while any(Path(f"/proc/{pid}").exists() for pid in machines):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _is_the_appliance(pid: int) -> bool:
    """libguestfs first asks QEMU for its features, several times."""
    try:
        return b"guestfs" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
