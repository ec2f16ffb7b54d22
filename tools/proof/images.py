"""The images of the proof: each a tiny guest that boots, or the same with one thing wrong.

`IMAGES` is the list. What the genuine PV-GRUB made of each is recorded in verdicts.json.
"""

from __future__ import annotations

import gzip
import lzma
from dataclasses import dataclass

import zstandard

from tests.images import LOADER_CAN_READ, ROOT_UUID, Link
from tools.proof.contents import (
    BROKEN,
    FALLBACK,
    PASSWORD,
    STRAY,
    WORDS,
    also,
    behind_links,
    files,
    full_folder,
    inline_menu,
    menu,
    saved_default,
    with_roles,
    with_zeros,
    without_kernel,
    xfs_files,
)
from tools.proof.makers import (
    MIB,
    NO_FTYPE,
    WITHOUT_RESIZE,
    XFS,
    Make,
    after_debugfs,
    boot_second,
    boot_through_a_kernel,
    hd0,
    hd0_reiserfs,
    hd00,
    initrd_packed,
    inside_lvm,
    kernel_in_pieces,
    kernel_packed,
    leave_unwritten,
    one_partition,
    punch_hole,
    root_hd0,
    solid_boot,
    spoilt_zeros,
)


@dataclass(frozen=True)
class ProofImage:
    """`make` writes it; `sabotage`: it was made not to boot (what became of it is the loader's word).

    `no_judge`: why the public PV-GRUB's word does not count for this one, though it is recorded; empty for the others.
    """

    name: str
    about: str
    make: Make
    sabotage: bool = False
    no_judge: str = ""


def _sabotage(name: str, about: str, make: Make) -> ProofImage:
    return ProofImage(name, about, make, sabotage=True)


IMAGES: tuple[ProofImage, ...] = (
    # filesystems and layouts
    ProofImage("hd0-ext4", "ext4, 4 KiB blocks, no 64bit", hd0()),
    ProofImage("hd0-ext3", "ext3", hd0(type="ext3", features="")),
    ProofImage("hd0-ext2-1k-holes", "ext2, 1 KiB blocks, holes in a block map",
               hd0(type="ext2", features="", block_bytes=1024, files=with_zeros)),
    ProofImage("hd0-ext4-metadata-csum", "ext4 with metadata_csum, without 64bit",
               hd0(features=f"{LOADER_CAN_READ},metadata_csum")),
    ProofImage("hd0-ext4-in-pieces", "a kernel in hundreds of extents", kernel_in_pieces),
    ProofImage("hd0-ext4-full-folder", "3000 more files in /boot", hd0(files=full_folder)),
    ProofImage("hd0-ext4-not-unmounted", "the journal is marked as wanting a replay",
               after_debugfs("feature needs_recovery")),
    ProofImage("hd0-ext4-bigalloc", "ext4 with bigalloc", hd0(features=f"{LOADER_CAN_READ},bigalloc")),
    ProofImage("hd0-ext4-meta-bg", "ext4 with meta_bg", hd0(features=f"{WITHOUT_RESIZE},meta_bg")),
    ProofImage("hd0-xfs-v4", "XFS V4 without ftype", hd0(**XFS, features=NO_FTYPE, files=xfs_files)),
    ProofImage("hd0-reiserfs", "ReiserFS 3.6", hd0_reiserfs),
    ProofImage("hd00-ext4", "MBR, one ext4 partition", one_partition("dos")),
    ProofImage("hd00-gpt", "GPT, one ext4 partition", one_partition("gpt"),
               no_judge="GPT is read by Amazon's PV-GRUB from 1.04 on (its guide), the public one never learnt it"),
    ProofImage("hd00-boot-ext3-1k", "/boot ext3 with 1 KiB blocks, root ext4", hd00(block_bytes=1024)),
    ProofImage("hd00-boot-ext4-1k-solid", "/boot ext4 with 1 KiB blocks, files without holes", solid_boot),
    ProofImage("hd00-boot-xfs-v4", "/boot XFS V4", hd00(**XFS, features=NO_FTYPE)),
    ProofImage("hd00-boot-reiserfs", "/boot ReiserFS 3.6", boot_through_a_kernel("reiserfs")),
    ProofImage("hd00-boot-reiserfs-holes", "/boot ReiserFS 3.6, holes in the initrd",
               boot_through_a_kernel("reiserfs-holes")),
    # menus
    ProofImage("menu-savedefault", "`default saved`, `savedefault`, and the file for it", hd0(files=saved_default)),
    ProofImage("menu-default-past-end", "`default 2` of two entries",
               hd0(files=with_roles(menu=menu(head="default 2\ntimeout 1\n", more=BROKEN)))),
    ProofImage("menu-fallback", "the default's kernel is missing, the fallback boots",
               hd0(files=with_roles(menu=menu(head=FALLBACK)))),
    ProofImage("menu-links", "menu.lst's directory and the kernel are relative links", hd0(files=behind_links)),
    ProofImage("menu-words", "`default=0`, hiddenmenu, color, splashimage, comments",
               hd0(files=with_roles(menu=menu(head=WORDS)))),
    ProofImage("menu-words-in-entry", "`quiet`, `uppermem` and a word that nobody knows in the entry",
               hd0(files=with_roles(menu=menu(more="quiet\nuppermem 524288\nfrobnicate 3\n")))),
    ProofImage("menu-crlf", "lines end as in DOS", hd0(files=with_roles(menu=menu().replace(b"\n", b"\r\n")))),
    ProofImage("menu-password", "a password, and nothing locked", hd0(files=with_roles(menu=menu(head=PASSWORD)))),
    ProofImage("menu-stray-grub-cfg", "a grub.cfg beside menu.lst", hd0(files=also({"boot/grub/grub.cfg": STRAY}))),
    # kernels and initrds
    ProofImage("kernel-xz", "the distribution's own kernel, xz", hd0(files=lambda g: files(g, kernel=g.kernel))),
    ProofImage("kernel-bzip2", "a kernel packed with bzip2", kernel_packed("bzip2")),
    ProofImage("kernel-lzma", "a kernel packed with lzma", kernel_packed("lzma")),
    ProofImage("initrd-zstd", "an initrd packed with zstd", initrd_packed(zstandard.ZstdCompressor().compress)),
    ProofImage("initrd-xz", "an initrd packed with xz",
               initrd_packed(lambda data: lzma.compress(data, check=lzma.CHECK_CRC32))),
    # filesystems and layouts that do not
    _sabotage("hd0-ext4-1k-holes", "made by mke2fs -d: holes in an extent-mapped kernel", hd0(block_bytes=1024)),
    _sabotage("hd0-ext4-hole-of-one-block", "ext4 with 4 KiB blocks, an initrd with a hole of one block",
              spoilt_zeros(4096 + 4095, punch_hole)),
    _sabotage("hd0-ext4-unwritten", "a block of the initrd is allocated and unwritten, with old content",
              spoilt_zeros(4096 + 4095, leave_unwritten)),
    _sabotage("hd0-ext4-64bit", "ext4 with 64bit and metadata_csum",
              hd0(features=f"{LOADER_CAN_READ},64bit,metadata_csum")),
    _sabotage("hd0-ext4-inline-data", "ext4 with inline_data, menu.lst inside its inode",
              hd0(features=f"{LOADER_CAN_READ},inline_data", files=inline_menu)),
    _sabotage("hd0-xfs-v5", "XFS V5", hd0(**XFS, features="-m crc=1", files=xfs_files)),
    _sabotage("hd0-xfs-v4-ftype", "XFS V4 with ftype", hd0(**XFS, features="-m crc=0 -n ftype=1", files=xfs_files)),
    _sabotage("hd00-boot-xfs-v4-holes", "/boot XFS V4, holes in the initrd", boot_through_a_kernel("xfs-holes")),
    _sabotage("hd00-boot-btrfs", "/boot Btrfs", hd00(type="btrfs", size_bytes=128 * MIB)),
    _sabotage("hd00-boot-second", "the boot partition is the second", boot_second),
    _sabotage("hd00-lvm", "/boot inside LVM", inside_lvm),
    # menus that do not
    _sabotage("menu-none", "no menu.lst", hd0(files=with_roles(menu=None))),
    _sabotage("menu-dangling", "menu.lst is a dangling absolute link",
              hd0(files=with_roles(menu=Link("/mnt/boot/menu.lst")))),
    _sabotage("menu-no-timeout", "no `timeout` line", hd0(files=with_roles(menu=menu(head="default 0\n")))),
    _sabotage("menu-root-hd0", "`root (hd0)` on a partitioned disk", root_hd0),
    _sabotage("menu-no-root-line", "no `root` line",
              hd0(files=with_roles(menu=menu().replace(b"root (hd0)\n", b"")))),
    _sabotage("menu-uuid-for-root", "`uuid` in place of `root`, as Ubuntu wrote it",
              hd0(files=with_roles(menu=menu().replace(b"root (hd0)\n", f"uuid {ROOT_UUID}\n".encode())))),
    _sabotage("menu-savedefault-no-file", "`savedefault` without /boot/grub/default",
              hd0(files=with_roles(menu=menu(head="default saved\ntimeout 1\n", more="savedefault\n")))),
    _sabotage("menu-wrong-case", "the kernel's name in capitals",
              hd0(files=with_roles(menu=menu().replace(b"/vmlinuz", b"/VMLINUZ")))),
    _sabotage("menu-locked", "a password, and the entry locked",
              hd0(files=with_roles(menu=menu(head=PASSWORD, more="lock\n").replace(b"\nroot", b"\nlock\nroot")))),
    _sabotage("menu-root-by-sda1", "root=/dev/sda1, which is xvda for the guest",
              hd0(files=with_roles(menu=menu(device="/dev/sda1")))),
    _sabotage("menu-wrong-uuid", "root= names a UUID that is nowhere",
              hd0(files=with_roles(menu=menu(device=f"UUID={ROOT_UUID[:-1]}0")))),
    # kernels and initrds that do not
    _sabotage("kernel-missing", "the menu names a kernel that is not there", hd0(files=without_kernel)),
    _sabotage("kernel-lz4", "a kernel packed with lz4", kernel_packed("lz4")),
    _sabotage("kernel-zstd", "a kernel packed with zstd", kernel_packed("zstd")),
    _sabotage("kernel-truncated", "half a kernel",
              hd0(files=lambda guest: files(guest, kernel=guest.gzipped[: 5 * MIB]))),
    _sabotage("kernel-i386", "a kernel for i386", hd0(files=lambda guest: files(guest, kernel=guest.i386()))),
    _sabotage("initrd-no-blkfront", "an initrd without xen-blkfront",
              hd0(files=lambda guest: files(guest, initrd=gzip.compress(guest.initrd(without=("xen-blkfront",)))))),
    _sabotage("initrd-no-filesystem", "an initrd without ext4",
              hd0(files=lambda guest: files(guest, initrd=gzip.compress(guest.initrd(without=("ext4",)))))),
    _sabotage("initrd-truncated", "half a gzip initrd", initrd_packed(lambda data: gzip.compress(data)[:MIB])),
    _sabotage("initrd-two-members", "a gzip initrd of two members",
              initrd_packed(lambda data: gzip.compress(data[:MIB]) + gzip.compress(data[MIB:]))),
)  # fmt: skip
