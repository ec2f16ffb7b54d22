"""The nearest valid word for a misspelt one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# What others call the same thing: Debian, Python, uname; parted; QEMU.
_OTHER_NAMES = {
    **dict.fromkeys(("amd64", "x64", "x86-64", "em64t"), "x86_64"),
    **dict.fromkeys(("i486", "i586", "i686", "x86", "ia32"), "i386"),
    **dict.fromkeys(("msdos", "dos"), "mbr"),
    "vpc": "vhd",
}


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """`; did you mean 'filesystem'?`, or nothing when no allowed word is near."""
    known = list(allowed)
    if (other := _OTHER_NAMES.get(word.lower())) in known:
        return f"; did you mean {other!r}?"
    near = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""
