"""Images that are bad in one way each, and what the static checks must say to them.

`SABOTAGES` is the list. A check without an image here that makes it fail or warn is found by a test.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from imagebuild.report import Outcome
from imagebuild.vocabulary import BootLoader
from tests.boot_code import bios_core, damaged, efi_partition, efi_program, for_pcs, jumping_to, listed
from tests.images import (
    BOOT_UUID,
    INIT,
    INITRD,
    KERNEL,
    LOADER_CAN_READ,
    MENU,
    RELEASE,
    ROOT_UUID,
    Filesystem,
    Link,
    Tree,
    boot_files_at_root,
    bytes_of,
    changed,
    initrd,
    kernel,
    make_image,
    make_partitioned,
    menu,
    noise,
    physical_volume,
    program,
    root_only,
    run,
    separate_boot,
    tree,
    xen_elf,
)

_MIB = 2**20
Make = Callable[[Path], object]


@dataclass(frozen=True)
class Sabotage:
    """`make` writes the image; `check` must then have `outcome` with `words` in its detail."""

    name: str
    make: Make
    check: str
    words: str
    outcome: Outcome = Outcome.FAILED
    loader: BootLoader = "pv-grub"


def warning(name: str, make: Make, check: str, words: str, loader: BootLoader = "pv-grub") -> Sabotage:
    return Sabotage(name, make, check, words, Outcome.WARNED, loader)


def _files(**changes: bytes | Link | None) -> Make:
    return lambda target: make_image(target, Filesystem(tree(**changes)))


def _also(name: str, content: bytes) -> Make:
    return lambda target: make_image(target, Filesystem({**tree(), name: content}))


def _packaged(more: Tree | None = None, *, state: str = "install", automatic: bool = True) -> Make:
    """A tree whose kernel is a package's, by dpkg's and apt's own files."""
    package = f"linux-image-{RELEASE}"
    marks = f"Package: {package}\nArchitecture: amd64\nAuto-Installed: {int(automatic)}\n\n"
    status = f"Package: other\nStatus: hold ok installed\n\nPackage: {package}\nStatus: {state} ok installed\n\n"
    files: Tree = {
        f"var/lib/dpkg/info/{package}.list": f"/.\n/boot\n/{KERNEL}\n".encode(),
        "var/lib/dpkg/status": status.encode(),
        "var/lib/apt/extended_states": marks.encode(),
    }
    return lambda target: make_image(target, Filesystem({**tree(), **files, **(more or {})}))


def _also_without_init(files: Tree, executable: tuple[str, ...] = ()) -> Make:
    """A tree with these files and no other init; `executable`: those outside of bin and sbin."""

    def make(target: Path) -> None:
        make_image(target, Filesystem({**tree(init=None), **files}))
        for name in executable:
            run("debugfs", "-w", "-R", f"set_inode_field /{name} mode 0100755", str(target))

    return make


def _with_sysv(fstab: bytes, *programs: str) -> Make:
    """An init that is not systemd."""
    files = {**tree(fstab=fstab), "etc/inittab": b"id:2:initdefault:\n", **dict.fromkeys(programs, program())}
    return lambda target: make_image(target, Filesystem(files))


def _menu(**changes: str) -> Make:
    return _files(menu=menu(**changes).encode())


_KERNEL_LINE = f"kernel /{KERNEL} root=UUID={ROOT_UUID} ro console=hvc0"
_INITRD_LINE = f"initrd /{INITRD}"


def _entry(*lines: str, head: str = "timeout 3\n") -> Make:
    """A menu of one entry with these lines, in this order."""
    return _files(menu=(head + "title Test\n" + "\n".join(lines) + "\n").encode())


def _made(**changes: object) -> Make:
    return lambda target: make_image(target, changed(Filesystem(), **changes))


def _two(boot: Filesystem | None = None, root: Filesystem | None = None) -> Make:
    return lambda target: make_partitioned(target, boot or separate_boot(), root or root_only())


def _boot_menu(text: str) -> Make:
    return _two(boot=separate_boot(menu=text.encode()))


def debugfs(request: str, filesystem: Filesystem | None = None) -> Make:
    """An image on which debugfs then did something."""

    def make(target: Path) -> None:
        make_image(target, filesystem)
        run("debugfs", "-w", "-R", request, str(target))

    return make


def _unwritten(target: Path) -> None:
    """A kernel whose second stretch is allocated and never written: its blocks are punched out and allocated anew."""
    make_image(target)
    run("debugfs", "-w", "-R", f"punch /{KERNEL} 4 6", str(target))
    run("debugfs", "-w", "-R", f"fallocate /{KERNEL} 4 6", str(target))


def _cut(target: Path) -> None:
    """A partitioned image whose end is missing."""
    make_partitioned(target, separate_boot(), root_only())
    with target.open("r+b") as file:
        file.truncate(40 * _MIB)


def _shortened(filesystem: Filesystem) -> Make:
    """An hd0 image whose last two MiB are missing."""

    def make(target: Path) -> None:
        make_image(target, filesystem)
        with target.open("r+b") as file:
            file.truncate(filesystem.size_bytes - 2 * _MIB)

    return make


def _small_swap(target: Path) -> None:
    """A swap area that says that it is larger than its partition."""
    swap = bytearray(bytes_of(Filesystem(None, "swap", uuid=OTHER_UUID, size_bytes=8 * _MIB))[:4096])
    swap[0x404:0x408] = (9000).to_bytes(4, "little")
    make_partitioned(
        target, separate_boot(), root_only(), Filesystem(None, "raw", raw=bytes(swap), size_bytes=8 * _MIB)
    )


def _flagged(target: Path) -> None:
    """A partition table in which a flag is neither 00 nor 80."""
    make_partitioned(target, separate_boot(), root_only())
    _overwrite(target, 446 + 32, b"\x12")


def _overwrite(target: Path, offset: int, content: bytes) -> None:
    with target.open("r+b") as file:
        file.seek(offset)
        file.write(content)


def boot_sector(code: bytes) -> Make:
    """A bare filesystem with a boot sector in front of it."""

    def make(target: Path) -> None:
        make_image(target)
        _overwrite(target, 0, code.ljust(510, b"\0") + b"\x55\xaa")

    return make


odd_boot_sector = boot_sector(noise(446) + bytes.fromhex("24120f0900") + noise(59, 3))
slots_behind_the_end = boot_sector(bytes(446) + bytes.fromhex("80000000830000000000ffff00100000"))


def _with_a_tail(target: Path) -> None:
    make_image(target)
    with target.open("ab") as file:
        file.write(b"tail")


def _overlapping(target: Path) -> None:
    """The second partition of the table begins one MiB into the first."""
    make_partitioned(target, separate_boot(), root_only())
    with target.open("r+b") as file:
        file.seek(446 + 16 + 8)
        file.write((2 * _MIB // 512).to_bytes(4, "little"))


def _nothing(target: Path) -> None:
    target.write_bytes(noise(4 * _MIB, 9))


def _huge_menu(target: Path) -> None:
    """2 GiB of menu.lst, in a filesystem that could not hold a tenth of it."""
    make_image(target)
    run("debugfs", "-w", "-R", f"set_inode_field /{MENU} size {2 * 2**30}", str(target))


def second_partition_boots(target: Path) -> None:
    make_partitioned(target, root_only(), separate_boot(menu=menu(root="(hd0,1)", folder="").encode()))


def logical_root(
    target: Path,
    *,
    with_lvm: bool = True,
    boot_menu: str = "",
    contents: bytes | None = None,
    more_initrd: Mapping[str, bytes] | None = None,
) -> Path:
    """hd00: a boot partition, and the root on a logical volume."""
    text = boot_menu or menu(root="(hd0,0)", folder="", device="/dev/vg0/root")
    modules = ("xen-blkfront", "ext4", *(("dm-mod",) if with_lvm else ()))
    boot = separate_boot(menu=text.encode(), initrd=initrd(modules=modules, lvm=with_lvm, more=more_initrd))
    fstab = b"/dev/vg0/root / ext4 defaults 0 1\n" + f"UUID={BOOT_UUID} /boot ext3 defaults 0 2\n".encode()
    inside = contents or bytes_of(changed(Filesystem({"etc/fstab": fstab, INIT: program()}), size_bytes=16 * _MIB))
    volume = physical_volume(inside)
    raw = Filesystem(None, "raw", raw=volume, size_bytes=len(volume), partition_type="8e")
    return make_partitioned(target, boot, raw)


def holed_kernel(blocks: int = 8) -> bytes:
    """A kernel with zeros in its payload, of which mke2fs -d makes holes."""
    return kernel(payload=b"\xfd7zXZ\x00" + noise(20_000) + bytes(blocks * 4096) + noise(20_000))


OTHER_UUID = "22222222-2222-4333-8444-555555555555"
SMALL_BLOCKS = changed(Filesystem(), block_bytes=1024)
V5 = "-m crc=1 -b size=4096"
V4 = "-m crc=0 -n ftype=0"
_FALLBACK = f"title Second\nroot (hd0)\nkernel /boot/nothing root=UUID={ROOT_UUID}\n"
_OTHER = f"title Second\nroot (hd0)\nkernel /boot/vmlinuz-other root=UUID={ROOT_UUID}\n"
_SECOND = f"\ntitle Second\nroot (hd0)\nkernel /{KERNEL} root=UUID={ROOT_UUID}\ninitrd /{INITRD}\n"
_TWO_ENTRIES = menu(more=_SECOND)
_STRAY = b"set default=0\nmenuentry 'Stray' {\n linux /boot/stray root=/dev/xvda\n}\n"
_NO_ROOT = menu().replace(f"root=UUID={ROOT_UUID}", "").encode()
_DRACUT = {"usr/lib/dracut/hooks/cmdline/90crypt.sh": b"#\n"}
_LZ4 = b"\x02\x21\x4c\x18" + noise(40_000)
_ONE_BLOCK = (_TWO_ENTRIES + "#" * (4096 - len(_TWO_ENTRIES) - 1) + "\n").encode()

SABOTAGES: tuple[Sabotage, ...] = (
    # the disk
    Sabotage("nothing", _nothing, "partition-table", "neither a partition table nor a filesystem"),
    Sabotage("boot-second", second_partition_boots, "partition-table", "the boot partition must be the first"),
    Sabotage("cut", _cut, "partition-table", "partition 2 ends after the end of the disk"),
    Sabotage("overlap", _overlapping, "partition-table", "partitions 1 and 2 overlap"),
    warning("gpt", lambda target: make_partitioned(target, separate_boot(), root_only(), label="gpt"),
            "partition-table", "1.04 and later only"),
    Sabotage("odd-flags", _flagged, "partition-table", "flags 12"),
    # filesystems
    Sabotage("cut-ext4", _shortened(Filesystem(size_bytes=24 * _MIB)), "filesystem", "bad geometry"),
    Sabotage("cut-xfs", _shortened(changed(Filesystem(), type="xfs", features=V4, size_bytes=320 * _MIB)), "filesystem",
             "bad geometry"),
    Sabotage("cut-btrfs", _shortened(changed(Filesystem(), type="btrfs", size_bytes=128 * _MIB)), "filesystem",
             "bad geometry"),
    Sabotage("cut-partition", _cut, "filesystem", "bad geometry"),
    warning("cut-swap", _small_swap, "filesystem", "bad geometry"),
    warning("dirty", debugfs("feature needs_recovery"), "filesystem", "its journal needs recovery"),
    warning("dirty-flag", debugfs("set_super_value state 0"), "filesystem", "not cleanly unmounted"),
    Sabotage("damaged", debugfs(f"clri /{KERNEL}"), "filesystem", "e2fsck ended with 4"),
    Sabotage("no-filesystem", _nothing, "filesystem", "no filesystem was recognised"),
    Sabotage("64bit", _made(features=f"{LOADER_CAN_READ},64bit"), "loader-filesystem", "64bit"),
    Sabotage("inline-data", _made(features=f"{LOADER_CAN_READ},inline_data"), "loader-filesystem", "inline_data"),
    warning("metadata-csum", _made(features=f"{LOADER_CAN_READ},metadata_csum"), "loader-filesystem", "metadata_csum"),
    Sabotage("xfs-ftype", _made(type="xfs", features="-m crc=0 -n ftype=1", size_bytes=320 * _MIB),
             "loader-filesystem", "-n ftype=0"),
    Sabotage("xfs-v5", _made(type="xfs", features=V5, size_bytes=320 * _MIB), "loader-filesystem", "V4 only"),
    Sabotage("btrfs", _made(type="btrfs", size_bytes=128 * _MIB), "loader-filesystem", "beta"),
    Sabotage("btrfs-for-pygrub", _made(type="btrfs", size_bytes=128 * _MIB), "loader-filesystem", "no reader",
             loader="pygrub"),
    # the menu
    Sabotage("no-menu", _files(menu=None), "menu", "does not exist"),
    Sabotage("menu-dangling", _files(menu=Link("/mnt/menu.lst")), "menu", "through a symbolic link to /mnt/menu.lst"),
    Sabotage("menu-loop", _files(menu=Link("menu.lst")), "menu", "more than 8 symbolic links"),
    Sabotage("menu-folder", lambda target: make_image(target, Filesystem({**tree(menu=None), f"{MENU}/x": b"x"})),
             "menu", "not a regular file"),
    Sabotage("menu-huge", _huge_menu, "menu", "more than 1048576"),
    Sabotage("menu-binary", _files(menu=b"title\0" + noise(4000, 5)), "menu", "zero byte at 5"),
    Sabotage("menu-empty", _files(menu=b"default 0\ntimeout 3\ntitle nothing below\n"), "menu", "no entry"),
    warning("menu-at-root", _two(boot=changed(separate_boot(), files={
        key: value for key, value in boot_files_at_root(tree(menu=menu(root="(hd0,0)", folder="").encode())).items()
        if key != "boot"})), "menu", "1.04 and later; 1.03 needs"),
    Sabotage("no-timeout", _menu(head="default 0\n"), "menu-timeout", "waits at the menu forever"),
    warning("long-timeout", _menu(head="timeout 600\n"), "menu-timeout", "600"),
    warning("default-past-end", _menu(head="default 7\ntimeout 3\n"), "menu-default", "default 7 does not exist"),
    warning("fallback-past-end", _menu(head="default 0\ntimeout 3\nfallback 4\n"), "menu-default", "fallback 4"),
    Sabotage("savedefault", _menu(more="savedefault\n"), "menu-default", "needs /boot/grub/default"),
    warning("loaders-differ", _menu(head="default 1\ntimeout 3\ntitle Empty\n", more=_SECOND),
            "menu-default", "pygrub starts entry 1"),
    Sabotage("pause", _menu(more="pause\n"), "menu-default", "waits for a key"),
    # an entry is run line by line, and lines are read as 0.97 reads them
    Sabotage("initrd-before-kernel", _entry("root (hd0)", _INITRD_LINE, _KERNEL_LINE), "menu-default",
             "Error 19: Linux kernel must be loaded before initrd"),
    Sabotage("kernel-before-root", _entry(_KERNEL_LINE, "root (hd0)", _INITRD_LINE), "menu-default", "Error 21"),
    Sabotage("root-in-head", _entry(_KERNEL_LINE, _INITRD_LINE, head="root (hd0)\ntimeout 3\n"), "menu-default",
             "Error 21"),
    Sabotage("timeout-in-entry", _menu(more="timeout 5\n"), "menu-default", "Error 27: Unrecognized command"),
    Sabotage("find-fails", _entry("root (hd0)", "find /boot/grub/stage1", _KERNEL_LINE, _INITRD_LINE), "menu-default",
             "Error 15: File not found"),
    Sabotage("boot-before-initrd", _entry("root (hd0)", _KERNEL_LINE, "boot", _INITRD_LINE), "initrd", "no initrd"),
    Sabotage("kernel-ends-in-backslash", _entry("root (hd0)", f"{_KERNEL_LINE} note=C:\\", _INITRD_LINE), "initrd",
             "no initrd"),
    Sabotage("comment-ends-in-backslash", _menu(head="# was C:\\boot\\\ntimeout 3\n"), "menu-timeout",
             "waits at the menu forever"),
    Sabotage("byte-order-mark", _menu(head="\ufefftimeout 3\n"), "menu-timeout", "waits at the menu forever"),
    Sabotage("no-break-space", _files(menu=menu().replace("kernel ", "kernel\xa0").encode()), "menu-default",
             "Error 19"),
    Sabotage("long-line", _files(menu=menu().replace("root=UUID", f"{'x' * 1480} root=UUID").encode()), "root-device",
             "no root="),
    Sabotage("fallback-with-a-comment", _menu(head=f"timeout 3\nfallback 1 # keep\n{_FALLBACK}"), "boot-files",
             "Error 15"),
    warning("fallbacks-two", _menu(head=f"timeout 3\nfallback 1 2\n{_FALLBACK}"), "menu-default",
            "the loader continues with entry 1 (Test)"),
    Sabotage("lock", _menu(head="password secret\ntimeout 3\n", more="lock\n"), "menu-default", "Error 32"),
    Sabotage("root-hd0-partitioned", _boot_menu(menu(folder="")), "menu-root", "Error 17"),
    Sabotage("root-hd1", _menu(root="(hd1)"), "menu-root", "Error 21"),
    Sabotage("root-hd00-whole", _menu(root="(hd0,0)"), "menu-root", "Error 22"),
    Sabotage("root-third", _boot_menu(menu(root="(hd0,2)", folder="")), "menu-root", "Error 22"),
    Sabotage("no-root-line", _files(menu=menu().replace("root (hd0)\n", "").encode()), "menu-root", "Error 21"),
    warning("stray-grub-cfg", _also("boot/grub/grub.cfg", _STRAY), "stray-configuration", "/boot/grub/grub.cfg"),
    Sabotage("stray-for-pygrub", _also("boot/grub/grub.cfg", _STRAY), "stray-configuration", "/boot/grub/grub.cfg",
             loader="pygrub"),
    # what the loader reads
    Sabotage("no-kernel", _files(kernel=None), "boot-files", "Error 15"),
    Sabotage("no-initrd", _files(initrd=None), "boot-files", "Error 15"),
    Sabotage("empty-kernel", _files(kernel=b""), "boot-files", "is empty"),
    Sabotage("wrong-case", _files(menu=menu().replace("vmlinuz", "VMLINUZ").encode()), "boot-files", "Error 15"),
    warning("fallback-broken", _menu(head="default 0\nfallback 1\ntimeout 3\n", more=_FALLBACK), "boot-files",
            "fallback entry 1 (Second): Error 15"),
    warning("default-broken", _menu(head=f"default 0\nfallback 1\ntimeout 3\n{_FALLBACK}"), "boot-files",
            "the loader continues with the fallback entry 1 (Test)"),
    Sabotage("no-kernel-line", _files(menu=b"timeout 3\ntitle x\nroot (hd0)\nchainloader +1\n"), "boot-files",
             "no kernel line"),
    Sabotage("holed-kernel", _made(block_bytes=1024, files=tree(kernel=holed_kernel())), "loader-reads", "Error 16"),
    Sabotage("holes", _made(block_bytes=1024, files=tree(kernel=holed_kernel())), "holes", "hole at blocks"),
    Sabotage("holed-menu", lambda target: make_image(target, Filesystem(tree(
        menu=_ONE_BLOCK + bytes(4096) + b"# end\n"))), "loader-reads", "menu (hd0)/boot/grub/menu.lst"),
    Sabotage("unwritten", _unwritten, "holes", "unwritten extent at blocks 4-6"),
    Sabotage("xfs-v5-unread", _made(type="xfs", features=V5, size_bytes=320 * _MIB), "loader-reads", "Error 17"),
    # kernels and initrds
    Sabotage("lz4-kernel", _files(kernel=kernel(payload=_LZ4)), "kernel", "cannot unpack lz4"),
    Sabotage("zstd-kernel", _files(kernel=kernel(payload=b"\x28\xb5\x2f\xfd" + noise(9000))), "kernel", "zstd"),
    Sabotage("truncated-kernel", _files(kernel=kernel()[:-500]), "kernel", "truncated"),
    Sabotage("no-bzimage", _files(kernel=noise(9000)), "kernel", "no Linux kernel"),
    Sabotage("old-protocol", _files(kernel=kernel(protocol=(2, 6), release="2.6.18")), "kernel", "older than 2.08"),
    Sabotage("i386-new", _files(kernel=kernel(flags=0, release="6.1.0")), "kernel", "cannot be a 32-bit Xen PV guest"),
    warning("two-architectures", lambda target: make_image(target, Filesystem({
        **tree(menu=menu(head="fallback 1\ntimeout 3\n", more=_OTHER).encode()),
        "boot/vmlinuz-other": kernel(flags=0, release="4.9.0")})), "kernel", "of different architectures"),
    warning("xsave", _files(kernel=kernel(release="2.6.35.14")), "kernel", "XSAVE"),
    Sabotage("no-xen-pv", _also(f"boot/config-{RELEASE}", b"CONFIG_XEN=y\n# CONFIG_XEN_PV is not set\n"), "kernel",
             "CONFIG_XEN_PV"),
    Sabotage("no-blkfront", _files(initrd=initrd(modules=("ext4",))), "initrd", "it lacks xen-blkfront"),
    Sabotage("truncated-initrd", _files(initrd=initrd()[:-40]), "initrd", "damaged gzip"),
    Sabotage("two-gzip-members", _files(initrd=initrd() + initrd(modules=("more",))), "initrd", "bytes follow"),
    Sabotage("not-an-initrd", _files(initrd=noise(5000)), "initrd", "neither a cpio archive"),
    Sabotage("no-initrd-line", _files(menu=menu().partition("initrd")[0].encode()), "initrd", "no initrd"),
    warning("no-ext4", _files(initrd=initrd(modules=("xen-blkfront",))), "initrd", "no module for ext4"),
    Sabotage("no-lvm", lambda target: logical_root(target, with_lvm=False), "initrd", "dm-mod, lvm"),
    Sabotage("other-release", _files(initrd=initrd(release="5.10.0-1-amd64")), "kernel-initrd", "for 5.10.0-1-amd64"),
    # after the loader
    Sabotage("wrong-root", _menu(device=f"UUID={ROOT_UUID[:-1]}0"), "root-device", "nothing in the image matches it"),
    Sabotage("wrong-volume", lambda target: logical_root(
        target, boot_menu=menu(root="(hd0,0)", folder="", device="/dev/vg0/rooot")), "root-device", "/dev/vg0/root"),
    Sabotage("no-root", _files(menu=menu().replace(f"root=UUID={ROOT_UUID}", "").encode()), "root-device", "no root="),
    Sabotage("root-by-id", _menu(device="/dev/disk/by-id/ata-QEMU_HARDDISK_QM00001-part1"), "root-device",
             "a Xen disk has no such name"),
    Sabotage("root-vda1", _menu(device="/dev/vda1"), "root-device", "no disk of a Xen PV guest has such a name"),
    Sabotage("root-xvda5", lambda target: make_partitioned(target, separate_boot(
        menu=menu(root="(hd0,0)", folder="", device="/dev/xvda5").encode()), root_only()), "root-device",
        "there is no such partition"),
    Sabotage("root-second-disk", _menu(device="/dev/xvdb1"), "root-device", "a disk beside the image"),
    Sabotage("root-partlabel", _menu(device="PARTLABEL=root"), "root-device", "no partition of the image has it"),
    Sabotage("root-partnroff", lambda target: make_partitioned(target, separate_boot(
        menu=menu(root="(hd0,0)", folder="", device="PARTUUID=12345678-01/PARTNROFF=4").encode()), root_only()),
        "root-device", "no partition is 4 after"),
    warning("root-ram", _menu(device="/dev/ram0"), "root-device", "a RAM disk, which the initrd fills"),
    warning("root-known-to-initrd", _files(menu=_NO_ROOT, initrd=initrd(
        more={"etc/cmdline.d/95root.conf": f"root=UUID={ROOT_UUID}\n".encode()})), "root-device", "95root.conf says"),
    Sabotage("root-wrong-in-initrd", _files(menu=_NO_ROOT, initrd=initrd(
        more={"conf/conf.d/root": b"ROOT=LABEL=other\n"})), "root-device", "nothing in the image matches it"),
    Sabotage("dracut-waits-for-another-volume", lambda target: logical_root(target, more_initrd=_DRACUT, boot_menu=menu(
        root="(hd0,0)", folder="", device="/dev/mapper/vg0-root rd.lvm.lv=vg0/swap")), "root-device", "waits for it"),
    Sabotage("root-sda1", _menu(device="/dev/sda1"), "root-device", "calls the first one xvda"),
    warning("root-sda1-of-a-xen-kernel", _files(
        menu=menu(device="/dev/sda1").encode(), kernel=kernel(release="2.6.18-398.el5xen"),
        initrd=initrd(release="2.6.18-398.el5xen")), "root-device", "device names shift"),
    warning("root-xvda1", _menu(device="/dev/xvda1"), "root-device", "device names shift"),
    warning("no-console", _files(menu=menu().replace("console=hvc0", "console=tty0").encode()), "console", "tty0"),
    Sabotage("fstab", _files(fstab=b"UUID=dead-beef /data ext4 defaults 0 2\n"), "fstab", "is not in the image"),
    Sabotage("fstab-three-fields", _files(fstab=b"UUID=dead-beef /data ext4\n"), "fstab", "is not in the image"),
    Sabotage("fstab-by-path", _files(fstab=b"/dev/disk/by-uuid/dead-beef /data ext4\n"), "fstab", "emergency mode"),
    Sabotage("fstab-by-id", _files(fstab=b"/dev/disk/by-id/ata-X-part2 /data ext4\n"), "fstab",
             "a Xen disk has no such name"),
    Sabotage("fstab-other-type", lambda target: make_partitioned(target, separate_boot(), changed(root_only(), files={
        "etc/fstab": f"UUID={BOOT_UUID} /boot xfs\n".encode()})), "fstab", "which is ext3 and not xfs"),
    Sabotage("fstab-no-image-file", _files(fstab=b"/srv/x.iso /media/x iso9660 loop\n"), "fstab", "no such file"),
    warning("fstab-swap", _files(fstab=b"UUID=dead-beef none swap sw 0 0\n"), "fstab", "90 s"),
    warning("fstab-swap-file", _files(fstab=b"/swapfile none swap sw 0 0\n"), "fstab", "no such file"),
    warning("fstab-automount", _files(fstab=b"LABEL=x /data ext4 x-systemd.automount\n"), "fstab", "first used"),
    warning("fstab-second-disk", _files(fstab=b"/dev/xvdb /mnt auto defaults,nobootwait 0 2\n"), "fstab",
            "a disk beside the image"),
    warning("fstab-root", _files(fstab=b"UUID=dead-beef / ext4 defaults 0 1\n"), "fstab", "mounted already"),
    warning("fstab-crash", _files(fstab=b"LABEL=x /data ext4 x-systemd.device-timeout\n"), "fstab", "crashes"),
    Sabotage("fstab-sysv", _with_sysv(b"UUID=dead-beef /data ext3 defaults 0 2\n"), "fstab", "emergency mode"),
    warning("fstab-sysv-unchecked", _with_sysv(b"UUID=dead-beef /data ext3\n"), "fstab", "continues without"),
    warning("fstab-mountall", _with_sysv(b"LABEL=x /data ext3 nobootwait 0 2\n", "sbin/mountall"), "fstab",
            "continues without"),
    warning("fstab-nofail", _files(fstab=b"LABEL=data /data ext4 nofail 0 2\n"), "fstab", "LABEL=data"),
    Sabotage("no-init", _also_without_init({"usr/bin/true": program()}), "init", "none of /sbin/init"),
    Sabotage("only-a-shell", _also_without_init({"bin/sh": program()}), "init", "the boot ends in /bin/sh"),
    Sabotage("init-not-executable", debugfs(f"set_inode_field /{INIT} mode 0100644", Filesystem(
        {**tree(), "bin/x": program()})), "init", "is not executable (mode 0644)"),
    Sabotage("init-link-dangles", _also_without_init({INIT: Link("../lib/nothing"), "bin/x": program()}), "init",
             "none of /sbin/init"),
    Sabotage("init-for-arm", _files(init=program(183)), "init", "is a program for AArch64"),
    Sabotage("init-no-program", _files(init=noise(500)), "init", "neither an ELF program nor a script"),
    Sabotage("init-without-interpreter", _files(init=program(interpreter="/lib64/ld-linux-x86-64.so.2")), "init",
             "its interpreter /lib64/ld-linux-x86-64.so.2 does not exist"),
    Sabotage("init-script", _files(init=b"#!/bin/bash -e\nexec x\n"), "init",
             "its interpreter /bin/bash does not exist"),
    Sabotage("init-asked", _menu(device=f"UUID={ROOT_UUID} init=/usr/lib/systemd/systemd"), "init",
             "init=/usr/lib/systemd/systemd: does not exist"),
    warning("init-asked-initramfs-tools", _files(
        menu=menu(device=f"UUID={ROOT_UUID} init=/usr/bin/nothing").encode(),
        initrd=initrd(more={"scripts/functions": b"#\n"})), "init", "falls back to /sbin/init"),
    Sabotage("no-init-in-initrd", _menu(device=f"UUID={ROOT_UUID} rdinit=/other"), "init",
             "its initrd has no /other"),
    warning("no-programs", _files(init=None), "init", "no program at all"),
    warning("machine-id", _also("etc/machine-id", b"0123456789abcdef\n"), "identity", "/etc/machine-id"),
    warning("dbus-machine-id", _also("var/lib/dbus/machine-id", b"0123456789abcdef\n"), "identity", "machine-id: /var"),
    warning("host-keys", _also("etc/ssh/ssh_host_rsa_key", b"PRIVATE\n"), "identity", "ssh_host_rsa_key"),
    warning("cloud-init", _also("var/lib/cloud/instances/i-0/x", b"x"), "identity", "cloud/instances/i-0"),
    warning("seed", _also("var/lib/systemd/random-seed", b"seed"), "identity", "random-seed"),
    warning("lease", _also("var/lib/dhcp/dhclient.eth0.leases", b"lease {}\n"), "identity", "dhcp-leases"),
    warning("old-log", _also("var/log/apt/history.log", b"x\n" * 40), "identity", "logs: /var/log/apt/history.log"),
    warning("history", _also("home/a/.bash_history", b"x\n"), "identity", "shell-histories"),
    warning("old-lists", _also("var/lib/apt/lists/deb.example.org_Release", b"x\n"), "identity", "package-caches"),
    warning("network-names", _also("etc/udev/rules.d/70-persistent-net.rules", b"x\n"), "identity", "network-names"),
    warning("builders-keys", _also("root/.ssh/authorized_keys", b"ssh-rsa A x\n"), "identity", "authorized-keys"),
    Sabotage("boot-img-jumps-away", lambda target: for_pcs(target, change=jumping_to(10**9)), "bios-code", "no core"),
    Sabotage("boot-img-jumps-aside", lambda target: for_pcs(target, change=jumping_to(3)), "bios-code", "no core"),
    Sabotage("core-behind-the-disk", lambda target: for_pcs(target, change=listed(10**8, 9)), "bios-code",
             "none of the disk's"),
    Sabotage("core-over-itself", lambda target: for_pcs(target, change=listed(1, 9)), "bios-code", "a sector twice"),
    Sabotage("core-into-the-boot-partition", lambda target: for_pcs(target, change=listed(2040, 20)), "bios-code",
             "reach over an end of partition 1"),
    Sabotage("core-damaged", lambda target: for_pcs(target, change=damaged), "bios-code", "damaged"),
    Sabotage("core-on-a-gpt-alone", lambda target: for_pcs(target, label="gpt", start_sector=64), "bios-code",
             "in no partition"),
    Sabotage("esp-not-fat", lambda target: for_pcs(target, esp=Filesystem({"a": b"b"}, partition_type="ef",
             uuid=OTHER_UUID)), "efi-code", "is not FAT"),
    Sabotage("esp-empty", lambda target: for_pcs(target, esp=efi_partition(**{"OTHER.EFI": efi_program()})), "efi-code",
             "holds none of /EFI/BOOT/BOOTX64.EFI"),
    Sabotage("esp-other-machine", lambda target: for_pcs(target, esp=efi_partition(**{
             "BOOTX64.EFI": efi_program(machine=0x14C)})), "efi-code", "is for i386"),
    Sabotage("esp-no-program", lambda target: for_pcs(target, esp=efi_partition(**{"BOOTX64.EFI": b"text" * 99})),
             "efi-code", "no PE file"),
    Sabotage("boot-code-misses-the-menu", lambda target: for_pcs(target, boot=separate_boot(menu=None)),
             "boot-code-menu", "on the first partition"),
    Sabotage("boot-code-elsewhere", lambda target: for_pcs(target, core=bios_core(
             configuration='legacy_configfile /grub2/menu.lst\n')), "boot-code-menu", "looks for /grub2/menu.lst"),
    warning("boot-code-of-two-versions", lambda target: for_pcs(target, core=bios_core(version="2.12-9")),
            "boot-code-menu", "several versions"),
    warning("kernel-of-apt", _packaged(), "kernel-updates", "apt removes its package linux-image-6.1.0-1-amd64"),
    warning("kernel-of-dnf", _also("usr/lib/sysimage/rpm/rpmdb.sqlite", b"x"), "kernel-updates", "dnf and yum"),
    warning("pygrub-boot-sector", odd_boot_sector, "pygrub", "by no configuration"),
    warning("pygrub-slots-behind-the-end", slots_behind_the_end, "pygrub", "by no configuration"),
    warning("pygrub-misled", _also("boot/grub/grub.cfg", _STRAY), "pygrub", "by /boot/grub/grub.cfg"),
    Sabotage("pygrub-asked", _also("boot/grub/grub.cfg", _STRAY), "pygrub", "by /boot/grub/grub.cfg", loader="pygrub"),
)  # fmt: skip

_THREE = menu(
    head="default 2\nfallback 1 0\ntimeout 3\n",
    more=f"\ntitle Second\nroot (hd0)\nkernel (hd0)/odd/place/linux root=LABEL=top console=hvc0\ninitrd /{INITRD}\n"
    f"\ntitle Third\nroot (hd0)\nkernel /link root=UUID={ROOT_UUID.upper()} console=hvc0\ninitrd /{INITRD}\n",
)
GOOD: dict[str, Make] = {
    "hd0-ext4": make_image,
    "hd0-ext2-holed-kernel": lambda target: make_image(target, Filesystem(
        tree(kernel=holed_kernel()), "ext2", features="", block_bytes=1024)),
    "hd0-ext3": _made(type="ext3", features=""),
    "hd0-xfs-v4": _made(
        type="xfs", features=V4, size_bytes=320 * _MIB, files=tree(initrd=initrd(modules=("xen-blkfront", "xfs")))),
    "hd0-links": lambda target: make_image(target, Filesystem({
        **tree(kernel=Link("../store/linux"), menu=None), "store/linux": kernel(),
        "boot/grub": Link("./grub1"), "boot/grub1/menu.lst": menu().encode()})),
    "hd0-three-entries": lambda target: make_image(target, Filesystem({
        **tree(menu=_THREE.encode()), "odd/place/linux": kernel(), "link": Link(KERNEL)}, label="top")),
    "hd0-savedefault": lambda target: make_image(target, Filesystem({
        **tree(menu=menu(head="default saved\ntimeout 3\n", more="savedefault\n").encode()),
        "boot/grub/default": b"0\n" + b"#\n" * 10})),
    "hd0-old-xen-kernel": lambda target: make_image(target, Filesystem(tree(
        kernel=gzip.compress(b"\x7fELF\x02\x01\x01" + bytes(11) + b"\x3e\x00" + noise(9000) + b"Linux version 6.1.0 "),
        initrd=initrd(release="6.1.0")))),
    "hd00-ext3-boot": _two(),
    "hd00-every-mode": for_pcs,
    "hd00-one-ext4": lambda target: make_partitioned(target, Filesystem(tree(menu=menu(root="(hd0,0)").encode()))),
    "hd00-lvm": logical_root,
    "hd00-lvm-mapper": lambda target: logical_root(target, more_initrd=_DRACUT, boot_menu=menu(
        root="(hd0,0)", folder="", device="/dev/mapper/vg0-root rd.lvm.lv=vg0/root")),
    "hd0-systemd": _also_without_init({
        INIT: Link("/lib/systemd/systemd"), "lib": Link("usr/lib"), "lib64": Link("usr/lib64"),
        "usr/lib/systemd/systemd": program(interpreter="/lib64/ld-linux.so.2", kind=3),
        "usr/lib64/ld-linux.so.2": program(kind=3)}, executable=("usr/lib/systemd/systemd", "usr/lib64/ld-linux.so.2")),
    "hd0-usrmerge-script": _also_without_init({
        "sbin": Link("usr/sbin"), "usr/sbin/init": b"#!/bin/busybox sh\n", "bin": Link("usr/bin"),
        "usr/bin/busybox": program()}),
    "hd00-usr": lambda target: make_partitioned(
        target, separate_boot(), changed(root_only(), files={
            "etc/fstab": f"UUID={ROOT_UUID} / ext4\nLABEL=usr /usr ext4\n".encode(), "sbin": Link("usr/sbin")}),
        Filesystem({"sbin/init": program()}, uuid=OTHER_UUID, label="usr")),
    "hd0-signature": boot_sector(b""),
    "hd0-odd-size": _with_a_tail,
    "hd0-no-identity": lambda target: make_image(target, Filesystem({
        **tree(), "etc/machine-id": b"uninitialized\n", "var/log/wtmp": b"",
        "var/log/README": Link("../../usr/share/doc/systemd/README.logs"),
        "usr/share/doc/systemd/README.logs": b"You are looking for the traditional text log files here.\n" * 2,
        "var/lib/dbus/machine-id": Link("/etc/machine-id"), "etc/ssh/sshd_config": b"#\n"})),
    "hd0-kernel-fixed": _packaged({"etc/apt/apt.conf.d/02x": (
        b'APT::NeverAutoRemove {\n  "^linux-[a-z]*$";\n  "^linux\\-image\\-6\\.1\\.0\\-1\\-amd64$";\n};\n')}),
    "hd0-kernel-held": _packaged(state="hold"),
    "hd0-kernel-by-hand": _packaged(automatic=False),
    "hd0-kernel-maintained": _packaged({"etc/kernel/postinst.d/pv-grub-menu": b"#!/bin/sh\n"}),
    "hd0-by-uuid": _menu(device=f"/dev/disk/by-uuid/{ROOT_UUID}"),
    "hd0-by-label": _made(label="my root", files=tree(menu=menu(device=r"/dev/disk/by-label/my\x20root").encode())),
    "hd0-genkernel": _menu(device=f"/dev/ram0 real_root=UUID={ROOT_UUID}"),
    "hd00-partnroff": lambda target: make_partitioned(target, separate_boot(menu=menu(
        root="(hd0,0)", folder="", device="PARTUUID=12345678-01/PARTNROFF=1").encode()), root_only()),
    "hd0-grub2": _files(initrd=None, kernel=xen_elf("GRUB"), menu=(
        f"timeout 3\ntitle GRUB 2\nroot (hd0)\nkernel /{KERNEL}\n").encode()),
}  # fmt: skip
