"""The images of the proof: each a tiny guest that boots, or the same with one thing wrong.

`IMAGES` is the list. What the genuine PV-GRUB made of each is recorded in verdicts.json.
"""

from __future__ import annotations

import functools
import gzip
import lzma
import random
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import zstandard

from imagebuild.host.guest import Drive, appliance
from tests.images import (
    BOOT_UUID,
    LOADER_CAN_READ,
    MENU,
    ROOT_UUID,
    Filesystem,
    Link,
    boot_files_at_root,
    bytes_of,
    changed,
    make_image,
    make_partitioned,
    physical_volume,
    run,
    write_tree,
)
from tests.proof.guest import WITNESS, WITNESS_CONTENT, Guest

_MIB = 2**20
_MARK = b"\xff"
_XFS_BYTES = 320 * _MIB  # mkfs.xfs refuses less than 300 MB
_LINUX, _INITRD = "boot/vmlinuz", "boot/initrd.img"
_WITHOUT_RESIZE = LOADER_CAN_READ.replace("resize_inode,", "")

Tree = dict[str, bytes | Link]
Make = Callable[[Guest, Path], object]


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


def menu(
    *,
    root: str = "(hd0)",
    folder: str = "/boot",
    head: str = "default 0\ntimeout 1\n",
    device: str = f"UUID={ROOT_UUID}",
    more: str = "",
    kernel: str = "kernel",
) -> bytes:
    return (
        f"{head}\ntitle Proof\nroot {root}\n{kernel} {folder}/vmlinuz root={device} ro console=hvc0 quiet\n"
        f"initrd {folder}/initrd.img\n{more}"
    ).encode()


def entry(title: str, *, root: str = "(hd0)", kernel: str = "/boot/vmlinuz", more: str = "") -> str:
    return (
        f"\ntitle {title}\nroot {root}\nkernel {kernel} root=UUID={ROOT_UUID} ro console=hvc0 quiet\n"
        f"initrd /boot/initrd.img\n{more}"
    )


def files(guest: Guest, root: str = "ext", **changes: bytes | Link | None) -> Tree:
    """A root filesystem with everything on it. Changes by role: kernel, initrd, menu; None leaves the file out."""
    roles = {"kernel": _LINUX, "initrd": _INITRD, "menu": MENU}
    made: dict[str, bytes | Link | None] = {"menu": menu(), **changes}
    made.setdefault("kernel", guest.gzipped)
    if "initrd" not in made:
        made["initrd"] = guest.gzipped_initrd(root)
    tree: Tree = {roles[role]: content for role, content in made.items() if content is not None}
    fstab = f"UUID={ROOT_UUID} / {'ext4' if root == 'ext' else root} defaults 0 1\n".encode()
    return {**tree, WITNESS: WITNESS_CONTENT, "etc/fstab": fstab}


def hd0(**changes: object) -> Make:
    """One filesystem that fills the disk. `files`: a function of the guest."""

    def make(guest: Guest, target: Path) -> None:
        tree = changes.get("files", files)
        assert callable(tree)
        plain = Filesystem(size_bytes=64 * _MIB)
        make_image(target, changed(plain, **{**changes, "files": tree(guest)}))

    return make


def _with(**roles: bytes | Link | None) -> Callable[[Guest], Tree]:
    return lambda guest: files(guest, "ext", **roles)


def _kernel(compression: str) -> Make:
    return hd0(files=lambda guest: files(guest, kernel=guest.repacked(compression)))


def _initrd(pack: Callable[[bytes], bytes]) -> Make:
    return hd0(files=lambda guest: files(guest, initrd=pack(guest.initrd())))


def _with_zeros(guest: Guest, zeros: int = 256 * 1024, **roles: bytes | Link | None) -> Tree:
    """The ramdisk holds zeros, of which most ways to copy a file make a hole, and looks at them."""
    return files(guest, "ext", initrd=guest.initrd(zeros=zeros), **roles)


def _also(more: Tree) -> Callable[[Guest], Tree]:
    return lambda guest: {**files(guest), **more}


def boot_partition(guest: Guest, root: str = "ext", **changes: object) -> Filesystem:
    tree = files(guest, root, menu=menu(root="(hd0,0)", folder=""))
    plain = Filesystem(boot_files_at_root(tree), type="ext3", uuid=BOOT_UUID, features="", size_bytes=48 * _MIB)
    return changed(plain, **changes)


def root_partition() -> Filesystem:
    fstab = f"UUID={ROOT_UUID} / ext4 defaults 0 1\n".encode()
    return Filesystem({WITNESS: WITNESS_CONTENT, "etc/fstab": fstab})


def hd00(**changes: object) -> Make:
    """A boot partition, and a root of ext4 behind it."""
    return lambda guest, target: make_partitioned(target, boot_partition(guest, "ext", **changes), root_partition())


def _one_partition(label: str) -> Make:
    def make(guest: Guest, target: Path) -> None:
        filesystem = Filesystem(files(guest, menu=menu(root="(hd0,0)")), size_bytes=64 * _MIB)
        make_partitioned(target, filesystem, label=label)  # type: ignore[arg-type]  # a word of ours

    return make


def _boot_second(guest: Guest, target: Path) -> None:
    tree = boot_files_at_root(files(guest, menu=menu(root="(hd0,1)", folder="")))
    make_partitioned(target, root_partition(), boot_partition(guest, files=tree))


def _inside_lvm(guest: Guest, target: Path) -> None:
    """Everything on a logical volume, in the only partition."""
    inside = Filesystem(files(guest, menu=menu(root="(hd0,0)")), size_bytes=64 * _MIB)
    volume = physical_volume(bytes_of(inside))
    make_partitioned(target, Filesystem(None, "raw", raw=volume, size_bytes=len(volume), partition_type="8e"))


def _root_hd0(guest: Guest, target: Path) -> None:
    tree = boot_files_at_root(files(guest, menu=menu(root="(hd0)", folder="")))
    make_partitioned(target, boot_partition(guest, files=tree), root_partition())


def without_holes(make: Callable[[Tree, Path], object], tree: Tree, target: Path, *, block: int, offset: int) -> None:
    """Let `make` fill an ext filesystem in which no file has a hole: zero blocks are marked, and zeroed later."""
    marked, zeros = dict(tree), {}
    for path, content in tree.items():
        if isinstance(content, bytes):
            numbers = [at // block for at in range(0, len(content), block) if not any(content[at : at + block])]
            data = bytearray(content)
            for number in numbers:
                data[number * block : number * block + 1] = _MARK
            marked[path], zeros[path] = bytes(data), numbers
    make(marked, target)
    script = "".join(f'bmap "/{path}" {number}\n' for path, numbers in zeros.items() for number in numbers)
    answers = run("debugfs", "-f", "-", f"{target}?offset={offset}", stdin=script).splitlines()
    with target.open("r+b") as image:
        for physical in (int(line) for line in answers if line.strip().isdigit()):
            image.seek(offset + physical * block)
            assert image.read(1) == _MARK
            image.seek(-1, 1)
            image.write(b"\0")


def _solid_boot(guest: Guest, target: Path) -> None:
    boot = boot_partition(guest, type="ext4", features=LOADER_CAN_READ, block_bytes=1024)

    def make(tree: Tree, target: Path) -> None:
        make_partitioned(target, changed(boot, files=tree), root_partition())

    assert boot.files is not None
    without_holes(make, dict(boot.files), target, block=1024, offset=_MIB)


def _in_pieces(guest: Guest, target: Path) -> None:
    """A kernel in some hundred pieces: its extents do not fit into its inode."""
    tree = files(guest)
    kernel = tree.pop(_LINUX)
    assert isinstance(kernel, bytes)
    crumbs: Tree = {f"crumbs/{number:04}": random.Random(number).randbytes(65_536) for number in range(500)}
    make_image(target, Filesystem({**tree, **crumbs}, size_bytes=64 * _MIB))
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "vmlinuz"
        source.write_bytes(kernel)
        script = "".join(f"rm crumbs/{number:04}\n" for number in range(0, 500, 2))
        run("debugfs", "-w", "-f", "-", str(target), stdin=f"{script}write {source} {_LINUX}\n")


def _zero_blocks(content: bytes) -> list[int]:
    """The whole blocks of 4 KiB that are zero and whose follower is not."""
    return [
        at // 4096
        for at in range(0, len(content) - 8192, 4096)
        if not any(content[at : at + 4096]) and any(content[at + 4096 : at + 8192])
    ]


def _spoilt_zeros(zeros: int, spoil: Callable[[Path, int], None]) -> Make:
    """Files without holes, and something then done to a block of the initrd's zeros."""

    def make(guest: Guest, target: Path) -> None:
        tree = _with_zeros(guest, zeros)
        content = tree[_INITRD]
        assert isinstance(content, bytes)

        def fill(tree: Tree, target: Path) -> None:
            make_image(target, Filesystem(tree, size_bytes=64 * _MIB))

        without_holes(fill, tree, target, block=4096, offset=0)
        start = content.index(bytes(zeros))
        spoil(target, next(number for number in _zero_blocks(content) if number * 4096 >= start))

    return make


def _write_old(target: Path, physical: int) -> None:
    with target.open("r+b") as image:
        image.seek(physical * 4096)
        image.write(b"something old\n" * 290)


def _punch(target: Path, block: int) -> None:
    """A hole, and something else in the block that 0.97 takes in its place: the one behind the extent before it."""
    physical = int(run("debugfs", "-R", f"bmap /{_INITRD} {block}", str(target)).split()[0])
    run("debugfs", "-w", "-R", f"punch /{_INITRD} {block} {block}", str(target))
    _write_old(target, physical)


def _unwritten(target: Path, block: int) -> None:
    """As a file system leaves it that allocated a block, and never came to write it: something old lies there."""
    _punch(target, block)
    run("debugfs", "-w", "-R", f"fallocate /{_INITRD} {block} {block}", str(target))
    _write_old(target, int(run("debugfs", "-R", f"bmap /{_INITRD} {block}", str(target)).split()[0]))


def _debugfs(*requests: str, **changes: object) -> Make:
    """An hd0 image on which debugfs then did something."""

    def make(guest: Guest, target: Path) -> None:
        hd0(**changes)(guest, target)
        for request in requests:
            run("debugfs", "-w", "-R", request, str(target))

    return make


@functools.lru_cache(maxsize=1)
def through_a_kernel(guest: Guest) -> Mapping[str, bytes]:
    """The filesystems that only a kernel can fill, all in one go of libguestfs' appliance: XFS and ReiserFS.

    `holes`: the initrd has them. `reiserfs-root` is a root filesystem, the others are for /boot.
    """
    text = menu(root="(hd0,0)", folder="")
    plain, holed = boot_files_at_root(files(guest, menu=text)), boot_files_at_root(_with_zeros(guest, menu=text))
    trees = {"reiserfs-root": files(guest, "reiserfs"), "reiserfs": plain, "reiserfs-holes": holed, "xfs-holes": holed}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind, tree in trees.items():
            write_tree(folder / f"{kind}-tree", tree)
            run("tar", "-C", str(folder / f"{kind}-tree"), "--owner=0", "--group=0", "-cf", f"{folder}/{kind}.tar", ".")
            _make_empty(folder / kind, kind)
        with appliance([Drive(folder / kind) for kind in trees], acceleration="tcg", log=lambda _line: None) as kernel:
            for number, kind in enumerate(trees):
                kernel.call("mount", f"/dev/sd{'abcd'[number]}", "/")
                kernel.call("tar_in", f"{folder}/{kind}.tar", "/")
                if "holes" in kind:
                    kernel.shell("cp", "--sparse=always", "/sysroot/initrd.img", "/sysroot/initrd.new")
                    kernel.shell("mv", "/sysroot/initrd.new", "/sysroot/initrd.img")
                kernel.call("umount_all")
        return {kind: (folder / kind).read_bytes() for kind in trees}


def _make_empty(path: Path, kind: str) -> None:
    with path.open("wb") as file:
        file.truncate(_XFS_BYTES if kind.startswith("xfs") else 64 * _MIB)
    if kind.startswith("xfs"):
        run("mkfs.xfs", "-q", "-m", f"crc=0,uuid={BOOT_UUID}", "-n", "ftype=0", str(path))
    else:
        run("mkfs.reiserfs", "-q", "-ff", "-u", ROOT_UUID if kind.endswith("root") else BOOT_UUID, str(path))


def _boot_through_a_kernel(kind: str) -> Make:
    def make(guest: Guest, target: Path) -> None:
        raw = through_a_kernel(guest)[kind]
        make_partitioned(target, Filesystem(None, "raw", raw=raw, size_bytes=len(raw)), root_partition())

    return make


def _hd0_reiserfs(guest: Guest, target: Path) -> None:
    target.write_bytes(through_a_kernel(guest)["reiserfs-root"])


def _saved(guest: Guest) -> Tree:
    text = menu(head="default saved\ntimeout 1\n", more="savedefault\n")
    return {**files(guest, menu=text), "boot/grub/default": b"0\n" + b"#\n" * 10}


def _without_kernel(guest: Guest) -> Tree:
    return {path: content for path, content in files(guest).items() if path != _LINUX}


def _linked(guest: Guest) -> Tree:
    tree = files(guest, menu=None, kernel=Link("../store/linux"))
    return {**tree, "store/linux": guest.gzipped, "boot/grub": Link("./grub1"), "boot/grub1/menu.lst": menu()}


def _inline(guest: Guest) -> Tree:
    """A menu.lst that fits into its inode, in folders that do not.

    In a folder inside its inode the genuine loader searches for ever, and nothing decisive is heard.
    """
    text = menu(head="default 0\ntimeout 1", device="/dev/xvda").replace(b" quiet\n", b"\n").replace(b"Proof", b"P")
    assert len(text) < 128
    full: Tree = {f"{folder}/{letter * 120}": b"" for folder in ("boot", "boot/grub") for letter in "ab"}
    return {**full, **files(guest, menu=text)}


def _full_folder(guest: Guest) -> Tree:
    names: Tree = {f"boot/config-of-a-kernel-that-was-removed-{number:05}": b"y\n" for number in range(3000)}
    return {**names, **files(guest)}


_WORDS = "# head\nhiddenmenu\ncolor cyan/blue white/blue\ndefault=0\ntimeout=1\nsplashimage=(hd0)/nothing.xpm.gz\n"
_PASSWORD = "password secret\ndefault 0\ntimeout 1\n"
_STRAY = b"set default=0\nmenuentry 'Stray' {\n linux /boot/stray root=/dev/xvda\n}\n"
_BROKEN = entry("Broken", kernel="/boot/nothing")
_FALLBACK = f"default 0\nfallback 1\ntimeout 1\n{_BROKEN}"
_XFS = {"type": "xfs", "size_bytes": _XFS_BYTES}
_NO_FTYPE = "-m crc=0 -n ftype=0"


def _xfs_files(guest: Guest) -> Tree:
    return files(guest, "xfs")


def _sabotage(name: str, about: str, make: Make) -> ProofImage:
    return ProofImage(name, about, make, sabotage=True)


IMAGES: tuple[ProofImage, ...] = (
    # filesystems and layouts
    ProofImage("hd0-ext4", "ext4, 4 KiB blocks, no 64bit", hd0()),
    ProofImage("hd0-ext3", "ext3", hd0(type="ext3", features="")),
    ProofImage("hd0-ext2-1k-holes", "ext2, 1 KiB blocks, holes in a block map",
               hd0(type="ext2", features="", block_bytes=1024, files=_with_zeros)),
    ProofImage("hd0-ext4-metadata-csum", "ext4 with metadata_csum, without 64bit",
               hd0(features=f"{LOADER_CAN_READ},metadata_csum")),
    ProofImage("hd0-ext4-in-pieces", "a kernel in hundreds of extents", _in_pieces),
    ProofImage("hd0-ext4-full-folder", "3000 more files in /boot", hd0(files=_full_folder)),
    ProofImage("hd0-ext4-not-unmounted", "the journal is marked as wanting a replay",
               _debugfs("feature needs_recovery")),
    ProofImage("hd0-ext4-bigalloc", "ext4 with bigalloc", hd0(features=f"{LOADER_CAN_READ},bigalloc")),
    ProofImage("hd0-ext4-meta-bg", "ext4 with meta_bg", hd0(features=f"{_WITHOUT_RESIZE},meta_bg")),
    ProofImage("hd0-xfs-v4", "XFS V4 without ftype", hd0(**_XFS, features=_NO_FTYPE, files=_xfs_files)),
    ProofImage("hd0-reiserfs", "ReiserFS 3.6", _hd0_reiserfs),
    ProofImage("hd00-ext4", "MBR, one ext4 partition", _one_partition("dos")),
    ProofImage("hd00-gpt", "GPT, one ext4 partition", _one_partition("gpt"),
               no_judge="GPT is read by Amazon's PV-GRUB from 1.04 on (its guide), the public one never learnt it"),
    ProofImage("hd00-boot-ext3-1k", "/boot ext3 with 1 KiB blocks, root ext4", hd00(block_bytes=1024)),
    ProofImage("hd00-boot-ext4-1k-solid", "/boot ext4 with 1 KiB blocks, files without holes", _solid_boot),
    ProofImage("hd00-boot-xfs-v4", "/boot XFS V4", hd00(**_XFS, features=_NO_FTYPE)),
    ProofImage("hd00-boot-reiserfs", "/boot ReiserFS 3.6", _boot_through_a_kernel("reiserfs")),
    ProofImage("hd00-boot-reiserfs-holes", "/boot ReiserFS 3.6, holes in the initrd",
               _boot_through_a_kernel("reiserfs-holes")),
    # menus
    ProofImage("menu-savedefault", "`default saved`, `savedefault`, and the file for it", hd0(files=_saved)),
    ProofImage("menu-default-past-end", "`default 2` of two entries",
               hd0(files=_with(menu=menu(head="default 2\ntimeout 1\n", more=_BROKEN)))),
    ProofImage("menu-fallback", "the default's kernel is missing, the fallback boots",
               hd0(files=_with(menu=menu(head=_FALLBACK)))),
    ProofImage("menu-links", "menu.lst's folder and the kernel are relative links", hd0(files=_linked)),
    ProofImage("menu-words", "`default=0`, hiddenmenu, color, splashimage, comments",
               hd0(files=_with(menu=menu(head=_WORDS)))),
    ProofImage("menu-words-in-entry", "`quiet`, `uppermem` and a word that nobody knows in the entry",
               hd0(files=_with(menu=menu(more="quiet\nuppermem 524288\nfrobnicate 3\n")))),
    ProofImage("menu-crlf", "lines end as in DOS", hd0(files=_with(menu=menu().replace(b"\n", b"\r\n")))),
    ProofImage("menu-password", "a password, and nothing locked", hd0(files=_with(menu=menu(head=_PASSWORD)))),
    ProofImage("menu-stray-grub-cfg", "a grub.cfg beside menu.lst", hd0(files=_also({"boot/grub/grub.cfg": _STRAY}))),
    # kernels and initrds
    ProofImage("kernel-xz", "the distribution's own kernel, xz", hd0(files=lambda g: files(g, kernel=g.kernel))),
    ProofImage("kernel-bzip2", "a kernel packed with bzip2", _kernel("bzip2")),
    ProofImage("kernel-lzma", "a kernel packed with lzma", _kernel("lzma")),
    ProofImage("initrd-zstd", "an initrd packed with zstd", _initrd(zstandard.ZstdCompressor().compress)),
    ProofImage("initrd-xz", "an initrd packed with xz",
               _initrd(lambda data: lzma.compress(data, check=lzma.CHECK_CRC32))),
    # filesystems and layouts that do not
    _sabotage("hd0-ext4-1k-holes", "made by mke2fs -d: holes in an extent-mapped kernel", hd0(block_bytes=1024)),
    _sabotage("hd0-ext4-hole-of-one-block", "ext4 with 4 KiB blocks, an initrd with a hole of one block",
              _spoilt_zeros(4096 + 4095, _punch)),
    _sabotage("hd0-ext4-unwritten", "a block of the initrd is allocated and unwritten, with old content",
              _spoilt_zeros(4096 + 4095, _unwritten)),
    _sabotage("hd0-ext4-64bit", "ext4 with 64bit and metadata_csum",
              hd0(features=f"{LOADER_CAN_READ},64bit,metadata_csum")),
    _sabotage("hd0-ext4-inline-data", "ext4 with inline_data, menu.lst inside its inode",
              hd0(features=f"{LOADER_CAN_READ},inline_data", files=_inline)),
    _sabotage("hd0-xfs-v5", "XFS V5", hd0(**_XFS, features="-m crc=1", files=_xfs_files)),
    _sabotage("hd0-xfs-v4-ftype", "XFS V4 with ftype", hd0(**_XFS, features="-m crc=0 -n ftype=1", files=_xfs_files)),
    _sabotage("hd00-boot-xfs-v4-holes", "/boot XFS V4, holes in the initrd", _boot_through_a_kernel("xfs-holes")),
    _sabotage("hd00-boot-btrfs", "/boot Btrfs", hd00(type="btrfs", size_bytes=128 * _MIB)),
    _sabotage("hd00-boot-second", "the boot partition is the second", _boot_second),
    _sabotage("hd00-lvm", "/boot inside LVM", _inside_lvm),
    # menus that do not
    _sabotage("menu-none", "no menu.lst", hd0(files=_with(menu=None))),
    _sabotage("menu-dangling", "menu.lst is a dangling absolute link",
              hd0(files=_with(menu=Link("/mnt/boot/menu.lst")))),
    _sabotage("menu-no-timeout", "no `timeout` line", hd0(files=_with(menu=menu(head="default 0\n")))),
    _sabotage("menu-root-hd0", "`root (hd0)` on a partitioned disk", _root_hd0),
    _sabotage("menu-no-root-line", "no `root` line",
              hd0(files=_with(menu=menu().replace(b"root (hd0)\n", b"")))),
    _sabotage("menu-uuid-for-root", "`uuid` in place of `root`, as Ubuntu wrote it",
              hd0(files=_with(menu=menu().replace(b"root (hd0)\n", f"uuid {ROOT_UUID}\n".encode())))),
    _sabotage("menu-savedefault-no-file", "`savedefault` without /boot/grub/default",
              hd0(files=_with(menu=menu(head="default saved\ntimeout 1\n", more="savedefault\n")))),
    _sabotage("menu-wrong-case", "the kernel's name in capitals",
              hd0(files=_with(menu=menu().replace(b"/vmlinuz", b"/VMLINUZ")))),
    _sabotage("menu-locked", "a password, and the entry locked",
              hd0(files=_with(menu=menu(head=_PASSWORD, more="lock\n").replace(b"\nroot", b"\nlock\nroot")))),
    _sabotage("menu-root-by-sda1", "root=/dev/sda1, which is xvda for the guest",
              hd0(files=_with(menu=menu(device="/dev/sda1")))),
    _sabotage("menu-wrong-uuid", "root= names a UUID that is nowhere",
              hd0(files=_with(menu=menu(device=f"UUID={ROOT_UUID[:-1]}0")))),
    # kernels and initrds that do not
    _sabotage("kernel-missing", "the menu names a kernel that is not there", hd0(files=_without_kernel)),
    _sabotage("kernel-lz4", "a kernel packed with lz4", _kernel("lz4")),
    _sabotage("kernel-zstd", "a kernel packed with zstd", _kernel("zstd")),
    _sabotage("kernel-truncated", "half a kernel",
              hd0(files=lambda guest: files(guest, kernel=guest.gzipped[: 5 * _MIB]))),
    _sabotage("kernel-i386", "a kernel for i386", hd0(files=lambda guest: files(guest, kernel=guest.i386()))),
    _sabotage("initrd-no-blkfront", "an initrd without xen-blkfront",
              hd0(files=lambda guest: files(guest, initrd=gzip.compress(guest.initrd(without=("xen-blkfront",)))))),
    _sabotage("initrd-no-filesystem", "an initrd without ext4",
              hd0(files=lambda guest: files(guest, initrd=gzip.compress(guest.initrd(without=("ext4",)))))),
    _sabotage("initrd-truncated", "half a gzip initrd", _initrd(lambda data: gzip.compress(data)[:_MIB])),
    _sabotage("initrd-two-members", "a gzip initrd of two members",
              _initrd(lambda data: gzip.compress(data[:_MIB]) + gzip.compress(data[_MIB:]))),
)  # fmt: skip
