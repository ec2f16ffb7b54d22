"""Ends a process with the imagebuild that started it, also across a user namespace.

The kernel's own way (PR_SET_PDEATHSIG, see command.py) is switched off when a process gains capabilities, as it does in
a new user namespace (prctl(2); kernel/cred.c, commit_creds). So a process inside watches a lock file that imagebuild
holds: the kernel frees it when imagebuild dies, however it dies.

`python -m imagebuild.host.lifeline LOCK MEMORY PROGRAM [ARGUMENT…]` runs a program under such a watch; MEMORY is a
directory that becomes a filesystem in memory for it, or an empty word.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

_PAUSE_SECONDS = 0.5
ENDED = 9


def hold(lock: Path) -> None:
    """Start the watch: this process ends at once when nobody holds the lock. It must be held already."""
    threading.Thread(target=_watch, args=(lock,), daemon=True).start()


def _watch(lock: Path) -> None:
    while _is_held(lock):
        time.sleep(_PAUSE_SECONDS)
    # As process 1 of its namespace this takes everything in it along.
    os._exit(ENDED)


def _is_held(lock: Path) -> bool:
    try:
        with lock.open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # removed: our maker has ended
    return False


def main(argv: list[str]) -> int:
    """Run the program under the watch and return its exit code."""
    lock, memory, *program = argv
    hold(Path(lock))
    if memory:
        mount_memory(Path(memory))
    return subprocess.run(program, check=False).returncode & 0xFF


def mount_memory(directory: Path) -> None:
    """A filesystem in memory, in our private mount namespace: it ends with the process, whatever ends that.

    Many times faster than a disk for tens of thousands of small files, and nothing of it is ever left behind.
    """
    options = "mode=0755,size=90%,nr_inodes=0"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "imagebuild", str(directory)], check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
