"""What the guest starts with under Xen: a PV-GRUB, its stand-in, or (where the stand-in cannot) the kernel itself.

PV-GRUB starts a kernel with Xen's own domain builder (libxc), which knows bzip2 and lzma; GRUB 2's Xen port does not,
and calls such a kernel "not xen image". A genuine PV-GRUB booted both. So xl gets the kernel, unpacked here (Debian's
own libxc lacks bzip2), and gives its verdict; what the loader reads, and which entry it takes, the static checks judge.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from imagebuild.bootloaders.grub2 import GRUB2
from imagebuild.bootloaders.menu_choice import choice
from imagebuild.bootloaders.pv_grub import PV_GRUB
from imagebuild.bootloaders.table import LOADERS
from imagebuild.formats.kernel_file import unwrap
from imagebuild.formats.repack import RepackError, with_gzip_payload
from imagebuild.host.cache import Cache
from imagebuild.image.boot_files import EntryFiles, NoEntry, default_entry_files, has_kernel_alone
from imagebuild.image.subject import Subject
from imagebuild.report import Loader
from imagebuild.testhost import TestHost
from imagebuild.verify.loaders import OPTION, GuestLoader, choose_loader, find_pv_grub
from imagebuild.vocabulary import BootLoader

# What every libxc unpacks.
_XL_UNPACKS = ("gzip", "none")
# What a value in xl.cfg(5) can hold as it is.
_PLAIN = re.compile(r'[^"\\\x00-\x1f\x7f]*')


def loader_for(
    subject: Subject, host: TestHost, *, asked: Path | None, cache: Cache, meant_for: BootLoader
) -> GuestLoader:
    """For the image and the loader that it is meant for. Raises as `choose_loader` does.

    The public PV-GRUB reads no GPT (it ends at its prompt, tried), Amazon's does from 1.04 on: a genuine one that only
    happens to be here is no judge of such a disk. One that was asked for is. For an image that is meant for another
    loader (a /boot on Btrfs), none is, and the answer's `note` says so.
    """
    known = subject.menu_at is not None and subject.menu_at.is_first
    is_gpt = subject.table is not None and subject.table.label == "gpt"
    no_judge = ""
    if not LOADERS[meant_for].is_grub_097:
        no_judge = f"the image is meant for {meant_for}, and PV-GRUB's result proves nothing about it"
    elif is_gpt and asked is None:
        no_judge = f"Amazon's PV-GRUB reads GPT, the public one does not ({OPTION} FILE uses it anyway)"
    chosen = choose_loader(
        host, subject.layout, menu_path=subject.menu_path if known else None, asked=asked, cache=cache,
        genuine=not no_judge,
    )  # fmt: skip
    if no_judge and (found := find_pv_grub(asked, cache)):
        chosen = replace(chosen, note=f"{chosen.facts.version} replaces {found[0]}: {no_judge}")
    return _able(chosen, subject) if LOADERS[meant_for].is_grub_097 else chosen


def _able(loader: GuestLoader, subject: Subject) -> GuestLoader:
    """The loader itself, or the image's kernel in its place. Files for that go into the subject's scratch folder."""
    if loader.facts.kind != "stand-in":
        return loader
    files = default_entry_files(subject)
    facts = None if isinstance(files, NoEntry) else unwrap(files.kernel)
    if isinstance(files, NoEntry) or facts is None or not _PLAIN.fullmatch(files.command_line):
        return loader
    bare = _bare_kernel_before(subject, files.number)
    if PV_GRUB.can_unpack(facts.compression) and not GRUB2.can_unpack(facts.compression):
        why = f"cannot unpack {facts.compression}"
    elif bare is not None:
        why = f"would start entry {bare} without its initrd, where GRUB 0.97 continues with entry {files.number}"
    else:
        return loader
    kernel = subject.scratch / "direct-kernel"
    try:
        kernel.write_bytes(files.kernel if facts.compression in _XL_UNPACKS else with_gzip_payload(files.kernel))
    except RepackError:
        return loader
    ramdisk = None
    if files.initrd is not None:
        ramdisk = subject.scratch / "direct-initrd"
        ramdisk.write_bytes(files.initrd)
    by_xen = Loader(kind="stand-in", version=f"Xen's own domain builder, as {loader.facts.version} {why}")
    return replace(loader, path=kernel, extra=files.command_line, facts=by_xen, is_kernel=True, ramdisk=ramdisk)


def _bare_kernel_before(subject: Subject, number: int) -> int | None:
    """An entry that is tried before that one, with a kernel and without the initrd that it names.

    0.97 gives such an entry up (Error 15) and takes the next; GRUB 2 prints an error and boots the kernel by itself.
    """
    taken = choice(subject.menu, "grub-0.97") if subject.menu else None
    for tried in () if taken is None or taken.entry is None else (taken.entry, *taken.fallbacks):
        if tried == number:
            return None
        if subject.menu and has_kernel_alone(subject, subject.menu.entries[tried]):
            return tried
    return None


def why_not_under_xen(files: EntryFiles | NoEntry) -> str:
    """Why the default entry's kernel cannot be judged by a boot under our Xen, whatever it is worth; empty: it can.

    Debian builds Xen without 32-bit PV guests (CONFIG_PV32): each of them would end as if its kernel were none.
    """
    facts = unwrap(files.kernel) if isinstance(files, EntryFiles) else None
    if facts is None or facts.architecture != "i386":
        return ""
    return "its kernel is a 32-bit one, and the Xen of the test host runs no 32-bit PV guests: it was not booted there"
