"""How much the programs of a tree may use: what this machine has, or what its user says."""

from __future__ import annotations

import os
from collections.abc import Mapping

from imagebuild.errors import UsageError
from imagebuild.host.fence.request import Limits
from imagebuild.host.memory import available_bytes

MEMORY_VARIABLE = "IMAGEBUILD_TREE_MEMORY_MIB"
PROCESSES_VARIABLE = "IMAGEBUILD_TREE_PROCESSES"
SECONDS_VARIABLE = "IMAGEBUILD_TREE_SECONDS"
# mkinitramfs under emulation, beside other builds, took up to some minutes.
_SECONDS = 1800
# mkinitramfs and dracut have some ten at a time; compressors start a thread for each processor.
_PROCESSES = 2048
_MIB = 2**20
_LEAST_BYTES = 2**30


def limits_here(environment: Mapping[str, str] = os.environ) -> Limits:
    """The limits of this machine: three quarters of the memory that is available now. Raises UsageError."""
    memory_mib = _number(environment, MEMORY_VARIABLE)
    return Limits(
        seconds=_number(environment, SECONDS_VARIABLE) or _SECONDS,
        memory_bytes=memory_mib * _MIB if memory_mib else max(available_bytes() * 3 // 4, _LEAST_BYTES),
        processes=_number(environment, PROCESSES_VARIABLE) or _PROCESSES,
    )


def _number(environment: Mapping[str, str], name: str) -> int:
    """The variable's number; 0: it is not set."""
    text = environment.get(name, "")
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and 0 < int(text[:12]) < 10**9 and len(text) < 12):
        raise UsageError(name, f"found {text[:40]!r}; write a whole number above 0, or leave the variable out")
    return int(text)
