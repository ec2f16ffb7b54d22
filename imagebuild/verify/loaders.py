"""Which boot loader the guest gets under Xen: the genuine PV-GRUB wherever there is one, else the stand-in.

The genuine one is GRUB 0.97 on mini-os (Xen's stubdom/grub): `pv-grub-x86_64.gz`, told by its `extra=` where the menu
is. Amazon's images are builds of the same code with a fixed path. The stand-in is GRUB 2, made with the test host.
"""

from __future__ import annotations

import hashlib
import os
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from imagebuild.bootloaders.pv_grub import BOOT_DEVICES
from imagebuild.errors import HostError
from imagebuild.events import Progress
from imagebuild.formats.compression import compression_of
from imagebuild.host.cache import Cache
from imagebuild.host.cache_kinds import Kind
from imagebuild.host.digest import file_sha256
from imagebuild.recipe.named_file import read_whole
from imagebuild.report import Loader
from imagebuild.testhost import TestHost
from imagebuild.testhost.pvh import PLATFORM as PVH_PLATFORM
from imagebuild.testhost.pvh import pvh_loader
from imagebuild.vocabulary import GENUINE, Layout

ENVIRONMENT_VARIABLE = "IMAGEBUILD_PV_GRUB"
OPTION = "--pv-grub"
CACHE_KIND: Kind = "pv-grub"
FILE_NAME = "pv-grub-x86_64.gz"
# Where Debian, Xen's own `make install`, Fedora and openSUSE put Xen's firmware.
_FIRMWARE_FOLDERS = (
    "/usr/lib/xen/boot", "/usr/lib/xen-*/boot", "/usr/libexec/xen/boot", "/usr/lib/xen/share/boot",
    "/usr/local/lib/xen/boot", "/usr/local/libexec/xen/boot",
)  # fmt: skip
DEFAULT_MENU = "/boot/grub/menu.lst"
# A PV-GRUB unpacks to some 2 MB; what claims more is not looked at.
_MOST_UNPACKED_BYTES = 64 * 2**20
_ELF_I386 = re.compile(rb"\x7fELF\x01\x01.{12}\x03\x00", re.DOTALL)
_ELF_X86_64 = re.compile(rb"\x7fELF\x02\x01.{12}\x3e\x00", re.DOTALL)


@dataclass(frozen=True, slots=True)
class GuestLoader:
    """The guest's "kernel": its file, the `extra=` that it needs (may be empty), and what the report says of it.

    `is_kernel`: it is no loader but the image's own kernel (guest_start.py), `ramdisk` its initrd. `note`: why a
    genuine PV-GRUB that is here was not taken; else empty.
    """

    path: Path
    extra: str
    facts: Loader
    is_kernel: bool = False
    ramdisk: Path | None = None
    note: str = ""


def choose_loader(
    host: TestHost,
    layout: Layout,
    *,
    menu_path: str | None,
    asked: Path | None,
    cache: Cache,
    genuine: bool = True,
) -> GuestLoader:
    """The genuine PV-GRUB: as asked for, of the environment, of the cache, of Xen's firmware; else the stand-in.

    `genuine` False: the stand-in, because a PV-GRUB's word would say nothing about this image. `menu_path` is the
    menu's path in the loader's filesystem; None: the usual one. Raises HostError when a file that was asked for, here
    or in the environment, is no PV-GRUB.
    """
    found = find_pv_grub(asked, cache) if genuine else None
    if found is not None:
        path, facts = found
        return GuestLoader(path, BOOT_DEVICES[layout] + (menu_path or DEFAULT_MENU), facts)
    path = host.stand_in(layout)
    version = f"GRUB {host.facts().get('loader_version', '2')}"
    return GuestLoader(path, "", Loader(kind="stand-in", version=version, sha256=file_sha256(path)))


def pvh_guest_loader(host: TestHost, layout: Layout, cache: Cache, progress: Progress) -> GuestLoader:
    """GRUB 2 for a PVH guest, made of the test host's own modules. Raises VerifyError where that fails."""
    path = pvh_loader(host, layout, cache, progress)
    version = f"GRUB {host.facts().get('loader_version', '2')} ({PVH_PLATFORM})"
    return GuestLoader(path, "", Loader(kind="stand-in", version=version, sha256=file_sha256(path)))


def find_pv_grub(asked: Path | None, cache: Cache) -> tuple[Path, Loader] | None:
    """A genuine PV-GRUB and its facts, or None. Raises as `choose_loader` does."""
    named = [(asked, OPTION)] if asked else []
    if value := os.environ.get(ENVIRONMENT_VARIABLE):
        named.append((Path(value).expanduser(), ENVIRONMENT_VARIABLE))
    for path, source in named:
        if facts := pv_grub_facts(path):
            return path, facts
        if pv_grub_facts(path, _ELF_I386):
            raise HostError(
                f"{path} ({source}) is a PV-GRUB for i386, and the test host's Xen runs x86_64 guests only",
                resolution=f"name a {FILE_NAME}, or leave it out to use the stand-in",
            )
        raise HostError(
            f"{path} ({source}) is no PV-GRUB for x86_64",
            resolution=f"name a {FILE_NAME} as Xen builds it (stubdom/grub), or leave it out to use the stand-in",
        )
    for path in _places(cache):
        if facts := pv_grub_facts(path):
            return path, facts
    return None


def _places(cache: Cache) -> list[Path]:
    """Where one may be, best first; of several in the cache, the one last used."""
    kept = [*(cache.root / CACHE_KIND).glob(FILE_NAME), *(cache.root / CACHE_KIND).glob(f"*/{FILE_NAME}")]
    kept.sort(key=lambda path: path.parent.stat().st_mtime, reverse=True)
    firmware = [path for pattern in _FIRMWARE_FOLDERS for path in sorted(Path("/").glob(pattern[1:]), reverse=True)]
    return kept + [folder / FILE_NAME for folder in firmware]


def pv_grub_facts(path: Path, machine: re.Pattern[bytes] = _ELF_X86_64) -> Loader | None:
    """What the report says of a genuine PV-GRUB for that machine; None when the file is none. Never raises."""
    try:
        packed = read_whole(path, _MOST_UNPACKED_BYTES)
    except OSError:
        return None
    program = _unpacked(packed)
    if program is None or not machine.match(program) or b"GNU GRUB" not in program:
        return None
    if b"Mini-OS" not in program and b"Xen Minimal OS" not in program:
        return None
    found = re.search(rb"(?<![\d.])0\.9\d(?![\d.])", program)
    version = f"GRUB {found[0].decode() if found else '0.97'}"
    return Loader(kind=GENUINE, version=version, sha256=hashlib.sha256(packed).hexdigest())


def _unpacked(data: bytes) -> bytes | None:
    if compression_of(data) != "gzip":
        return data
    try:
        return zlib.decompressobj(wbits=31).decompress(data, _MOST_UNPACKED_BYTES)
    except zlib.error:
        return None
