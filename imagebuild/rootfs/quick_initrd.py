"""The tree's own mkinitramfs with fewer processes and on all processors, and the same initrd, bit for bit.

Seen on Debian 12 with MODULES=most: 11,000 processes, 9,300 of which print a path as it was, while most of the others
copy one module or ask which firmware it names; zstd runs on one processor where SOURCE_DATE_EPOCH is set. Both are
helped from outside: by shell functions that mkinitramfs reads from its conf-hooks.d (initramfs-tools(7)), taken away
again afterwards, and by zstd's variable for the number of its threads, which does not change what it writes (zstd(1)).
Processor time of one run on a busy machine: 22.0 s as it comes, 12.7 s with the paths' functions, 7.5 s with all.

And while packages are installed it is made once instead of twice: as it comes, the kernel's own script makes one, and
the trigger that initramfs-tools' own installation pulls (deb-triggers(5)) makes it again when all is configured.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

# The times of access and of change, in nanoseconds.
Times = tuple[int, int]
_SCRIPT = Path(__file__).with_name("fewer_processes.sh")
_SCRIPT_VARIABLE = "IMAGEBUILD_FEWER_PROCESSES"
_ONCE_VARIABLE = "IMAGEBUILD_ONE_INITRD"
_TOOL = "usr/share/initramfs-tools"
_FOLDER = f"{_TOOL}/conf-hooks.d"
_NAME = "imagebuild"

# For mmdebstrap, where $1 is the tree: before initramfs-tools is unpacked, and when all is configured.
HOOK_BEFORE = (
    f'install -d -m 755 "$1/{_TOOL}" "$1/{_FOLDER}" && cp "${_SCRIPT_VARIABLE}" "$1/{_FOLDER}/{_NAME}" && '
    f'chmod 644 "$1/{_FOLDER}/{_NAME}"'
)
# One for which no trigger came (of two kernels, the older one's) is made now, when all is configured, too.
HOOK_REMAINING = (
    'for initrd in "$1"/boot/initrd.img-*; do if [ -f "$initrd" ] && [ ! -s "$initrd" ]; then '
    'chroot "$1" update-initramfs -u -k "${initrd##*/initrd.img-}" || exit 1; fi; done'
)
# conf.d came with the same package: the directory gets back the time that dpkg would have given it
HOOK_AFTER = (
    f'cd "$1/{_TOOL}" && rm -f conf-hooks.d/{_NAME} && if [ -d conf.d ]; then touch -r conf.d conf-hooks.d; '
    f"else rmdir conf-hooks.d && cd .. && rmdir initramfs-tools; fi"
)


def environment() -> Mapping[str, str]:
    """What mmdebstrap and mkinitramfs are to find in their environment."""
    return {"ZSTD_NBTHREADS": str(len(os.sched_getaffinity(0))), _SCRIPT_VARIABLE: str(_SCRIPT), _ONCE_VARIABLE: "1"}


def lend(tree: Path) -> Times | None:
    """Put the functions into the tree for one run of mkinitramfs; returns what `take_back` needs.

    None: it is left alone, having no such directory, or a link there.
    """
    directory = tree / _FOLDER
    parents = (directory, *(parent for parent in directory.parents if tree in parent.parents))
    if any(part.is_symlink() for part in parents) or not directory.is_dir():
        return None
    before = directory.stat()
    shutil.copyfile(_SCRIPT, directory / _NAME)
    return before.st_atime_ns, before.st_mtime_ns


def take_back(tree: Path, times: Times) -> None:
    """Remove them, and give their directory its times again. The tree's programs may have put anything in its place."""
    directory = tree / _FOLDER
    (directory / _NAME).unlink(missing_ok=True)
    os.utime(directory, ns=times)
