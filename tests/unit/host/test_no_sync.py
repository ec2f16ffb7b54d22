"""Leaving out syncs: even that of a file that is not open succeeds, and everything else is as before."""

from __future__ import annotations

import ctypes.util
import subprocess
import sys

import pytest

PROGRAM = """
import os, subprocess
from imagebuild.host.no_sync import leave_out_syncs
print(leave_out_syncs())
os.fsync(99)
os.fdatasync(99)
try:
    os.close(99)
except OSError as error:
    print(error.strerror)
print(subprocess.run(["sync", "/nonexistent"], capture_output=True).returncode)
"""


@pytest.mark.skipif(ctypes.util.find_library("seccomp") is None, reason="libseccomp2 is not installed")
def test_syncs_succeed_at_once() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["True", "Bad file descriptor", "1"], "what cannot be opened still fails"
