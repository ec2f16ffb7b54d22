"""How much memory this machine has to give."""

from __future__ import annotations

from pathlib import Path


def available_bytes() -> int:
    """The memory that can be had without swapping (proc(5), MemAvailable); 0: not known."""
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0
