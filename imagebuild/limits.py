"""How much imagebuild reads of what strangers made: every limit that guards memory and time, in one table.

Each is far above what real images need; together they keep a run below 1 GiB of memory. Who needs more says so:
`IMAGEBUILD_LIMITS=4` makes each of them four times as high.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass

from imagebuild.errors import UsageError

ENVIRONMENT_VARIABLE = "IMAGEBUILD_LIMITS"
_HIGHEST_FACTOR = 1024
_MIB, _GIB, _TIB = 2**20, 2**30, 2**40


@dataclass(frozen=True, slots=True)
class Limit:
    """`usual`: bytes, or a number of things. `what` and `unit` are words for a message and for the manual."""

    what: str
    usual: int
    unit: str = "bytes"

    @property
    def most(self) -> int:
        """Raises UsageError when the environment asks for what is no factor."""
        return self.usual * factor()

    @property
    def shown(self) -> str:
        """`128 MiB of an initrd or kernel`."""
        if self.unit != "bytes":
            return f"{self.most} {self.unit} of {self.what}"
        for size, name in ((_TIB, "TiB"), (_GIB, "GiB"), (_MIB, "MiB")):
            if self.most % size == 0:
                return f"{self.most // size} {name} of {self.what}"
        return f"{self.most} bytes of {self.what}"

    @property
    def exceeded(self) -> str:
        """Words that follow what was found: the limit, and how to raise it."""
        return f"imagebuild reads {self.shown} at most; {ENVIRONMENT_VARIABLE}={2 * factor()} doubles its limits"


BOOT_FILE = Limit("an initrd or kernel", 128 * _MIB)
UNPACKED_INITRD = Limit("an unpacked initrd", _GIB)
UNPACKED_KERNEL = Limit("an unpacked kernel", 256 * _MIB)
INITRD_MEMBERS = Limit("an initrd", 200_000, "files")
INITRD_NAMES = Limit("an initrd's file names", 16 * _MIB)
DECOMPRESSOR = Limit("memory for a decompressor", 128 * _MIB)
ATTRIBUTES_OF_FILE = Limit("the header of a file in an archive", _MIB)
ATTRIBUTES = Limit("the extended attributes in an archive", 64 * _MIB)
RPM_DATABASE = Limit("an rpm database", _GIB)
RPM_RECORDS = Limit("an rpm database", 200_000, "packages")
IMAGE = Limit("a disk image, holes included", 2 * _TIB)
HOLES = Limit("holes in the files of an image", 16 * _GIB)

LIMITS = (
    IMAGE, HOLES, BOOT_FILE, UNPACKED_INITRD, UNPACKED_KERNEL, INITRD_MEMBERS, INITRD_NAMES, DECOMPRESSOR,
    ATTRIBUTES_OF_FILE, ATTRIBUTES, RPM_DATABASE, RPM_RECORDS,
)  # fmt: skip


@functools.cache
def factor() -> int:
    """By how much the user has raised them. Raises UsageError."""
    text = os.environ.get(ENVIRONMENT_VARIABLE, "1")
    if not (text.isascii() and text.isdecimal() and len(text) <= 4 and 1 <= int(text) <= _HIGHEST_FACTOR):
        message = f"found {text[:40]!r}: write a whole number from 1 to {_HIGHEST_FACTOR}"
        raise UsageError(ENVIRONMENT_VARIABLE, message)
    return int(text)
