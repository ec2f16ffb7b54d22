"""GRUB 2's small filesystem for the stand-in: its settings, modules and their lists, the same bytes on every machine.

As grub-mkstandalone makes it, which is not used because it keeps the files in the order in which the directory happens
to list them, and with the moment at which it ran.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

PREFIX = "boot/grub"
PLATFORM = "x86_64-xen"
# What GRUB 2 reads of its folder beside modules: which module has which command, filesystem, … (grub-install.c)
_LISTS = ("*.lst", "modinfo.sh")


def memdisk(folder: Path, modules: Iterable[str], configuration: str, platform: str = PLATFORM) -> bytes:
    """A tar archive of grub.cfg and, from GRUB's `folder` for the platform, the modules with all that they need."""
    needs = module_needs((folder / "moddep.lst").read_text(encoding="utf-8"), modules)
    paths = {folder / f"{name}.mod" for name in needs}
    paths.update(path for pattern in _LISTS for path in folder.glob(pattern))
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        _add(archive, f"{PREFIX}/grub.cfg", configuration.encode())
        for path in sorted(paths):
            _add(archive, f"{PREFIX}/{platform}/{path.name}", path.read_bytes())
    return output.getvalue()


def memdisk_of(configuration: str) -> bytes:
    """A tar archive of grub.cfg alone, for a core that has all its modules built in."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        _add(archive, f"{PREFIX}/grub.cfg", configuration.encode())
    return output.getvalue()


def module_needs(moddep: str, wanted: Iterable[str]) -> set[str]:
    """The wanted modules and those that they need, by moddep.lst ("name: other another", a line for each module)."""
    needs = {name: rest.split() for name, _, rest in (line.partition(":") for line in moddep.splitlines())}
    found: set[str] = set()
    waiting = list(wanted)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += needs.get(name, [])
    return found


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))
