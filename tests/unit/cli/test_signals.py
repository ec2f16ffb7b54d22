"""Ctrl-C, in a process of its own: the first interrupts, an echo of it does nothing, the third ends everything."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

# Says READY, and cleans up for a long time once it is interrupted.
SLOW_TO_END = """
import time
from imagebuild.cli.signals import take_signals
take_signals()
try:
    print("READY", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("CLEANING", flush=True)
    time.sleep({cleaning})
    print("CLEAN", flush=True)
"""
# Cleans up by waiting for a thread that sits in a call, which waits for its child.
A_THREAD_IN_A_LIBRARY = """
import ctypes, time
from concurrent.futures import ThreadPoolExecutor
from imagebuild.cli.signals import take_signals
take_signals()
try:
    with ThreadPoolExecutor(max_workers=1) as pool:
        pool.submit(ctypes.CDLL(None).system, b"exec sleep 600")
        time.sleep(0.3)
        print("READY", flush=True)
        time.sleep(600)
except KeyboardInterrupt:
    print("CLEAN", flush=True)
"""
# Sits in a call that waits for its child, whatever signal comes (system(3) itself waits again after EINTR).
IN_A_LIBRARY = """
import ctypes
from imagebuild.cli.signals import take_signals
take_signals()
print("READY", flush=True)
try:
    ctypes.CDLL(None).system(b"exec sleep 60")
    print("not interrupted")
except KeyboardInterrupt:
    print("INTERRUPTED", flush=True)
"""


def start(code: str) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    expect(process, "READY")
    return process


def expect(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == line + "\n"


def test_a_signal_just_before_a_long_sleep_is_not_lost() -> None:
    """The handler's turn comes only between two bytecodes: some of these signals meet a sleep that has begun."""
    for _ in range(8):
        process = start(SLOW_TO_END.format(cleaning=0))
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
        assert out == "CLEANING\nCLEAN\n"


def test_an_echo_of_the_first_signal_does_nothing() -> None:
    process = start(SLOW_TO_END.format(cleaning=0.5))
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert (out, err, process.returncode) == ("CLEANING\nCLEAN\n", "", 0)


def test_the_third_signal_ends_it_on_the_spot() -> None:
    process = start(SLOW_TO_END.format(cleaning=60))
    process.send_signal(signal.SIGINT)
    expect(process, "CLEANING")
    for _ in range(2):
        time.sleep(0.4)
        process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (out, process.returncode) == ("", 130)
    assert "still cleaning up" in err


def test_nohup_is_respected() -> None:
    code = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + SLOW_TO_END.format(cleaning=0)
    process = start(code)
    process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert process.poll() is None
    process.kill()
    process.communicate()


def test_a_library_that_waits_for_its_child_is_woken() -> None:
    process = start(IN_A_LIBRARY)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert (out, process.returncode) == ("INTERRUPTED\n", 0)


def test_a_thread_that_waits_for_its_child_does_not_hold_up_the_end() -> None:
    """An appliance was waited for: `docker stop` killed imagebuild after 10 s."""
    process = start(A_THREAD_IN_A_LIBRARY)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)  # far less than the child's 600 s
    assert (out, process.returncode) == ("CLEAN\n", 0)


def test_cleaning_up_has_a_limit() -> None:
    process = start(SLOW_TO_END.format(cleaning=600))
    process.send_signal(signal.SIGHUP)
    out, err = process.communicate(timeout=30)
    assert (out, process.returncode) == ("CLEANING\n", 130)
    assert "the next run removes the rest" in err


def test_who_keeps_results_is_not_ended() -> None:
    code = "from imagebuild.cli.signals import unhurried\nunhurried()\n" + SLOW_TO_END.format(cleaning=6)
    process = start(code)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert (out, process.returncode) == ("CLEANING\nCLEAN\n", 0)
