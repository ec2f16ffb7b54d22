"""Makes the images of the proof: the filesystem, the disk around it, and what is done to it afterwards."""

from __future__ import annotations

import functools
import random
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from imagebuild.host.guest import Drive, appliance
from tests.images import (
    BOOT_UUID,
    LOADER_CAN_READ,
    ROOT_UUID,
    Filesystem,
    boot_files_at_root,
    bytes_of,
    changed,
    make_image,
    make_partitioned,
    physical_volume,
    run,
    write_tree,
)
from tools.proof.contents import INITRD, LINUX, Tree, files, menu, with_zeros
from tools.proof.guest import WITNESS, WITNESS_CONTENT, Guest

MIB = 2**20

_MARK = b"\xff"

XFS_BYTES = 320 * MIB  # mkfs.xfs refuses less than 300 MB

WITHOUT_RESIZE = LOADER_CAN_READ.replace("resize_inode,", "")

Make = Callable[[Guest, Path], object]


def hd0(**changes: object) -> Make:
    """One filesystem that fills the disk. `files`: a function of the guest."""

    def make(guest: Guest, target: Path) -> None:
        tree = changes.get("files", files)
        assert callable(tree)
        plain = Filesystem(size_bytes=64 * MIB)
        make_image(target, changed(plain, **{**changes, "files": tree(guest)}))

    return make


def kernel_packed(compression: str) -> Make:
    return hd0(files=lambda guest: files(guest, kernel=guest.repacked(compression)))


def initrd_packed(pack: Callable[[bytes], bytes]) -> Make:
    return hd0(files=lambda guest: files(guest, initrd=pack(guest.initrd())))


def boot_partition(guest: Guest, root: str = "ext", **changes: object) -> Filesystem:
    tree = files(guest, root, menu=menu(root="(hd0,0)", folder=""))
    plain = Filesystem(boot_files_at_root(tree), type="ext3", uuid=BOOT_UUID, features="", size_bytes=48 * MIB)
    return changed(plain, **changes)


def root_partition() -> Filesystem:
    fstab = f"UUID={ROOT_UUID} / ext4 defaults 0 1\n".encode()
    return Filesystem({WITNESS: WITNESS_CONTENT, "etc/fstab": fstab})


def hd00(**changes: object) -> Make:
    """A boot partition, and a root of ext4 behind it."""
    return lambda guest, target: make_partitioned(target, boot_partition(guest, "ext", **changes), root_partition())


def one_partition(label: str) -> Make:
    def make(guest: Guest, target: Path) -> None:
        filesystem = Filesystem(files(guest, menu=menu(root="(hd0,0)")), size_bytes=64 * MIB)
        make_partitioned(target, filesystem, label=label)  # type: ignore[arg-type]  # a word of ours

    return make


def boot_second(guest: Guest, target: Path) -> None:
    tree = boot_files_at_root(files(guest, menu=menu(root="(hd0,1)", folder="")))
    make_partitioned(target, root_partition(), boot_partition(guest, files=tree))


def inside_lvm(guest: Guest, target: Path) -> None:
    """Everything on a logical volume, in the only partition."""
    inside = Filesystem(files(guest, menu=menu(root="(hd0,0)")), size_bytes=64 * MIB)
    volume = physical_volume(bytes_of(inside))
    make_partitioned(target, Filesystem(None, "raw", raw=volume, size_bytes=len(volume), partition_type="8e"))


def root_hd0(guest: Guest, target: Path) -> None:
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


def solid_boot(guest: Guest, target: Path) -> None:
    boot = boot_partition(guest, type="ext4", features=LOADER_CAN_READ, block_bytes=1024)

    def make(tree: Tree, target: Path) -> None:
        make_partitioned(target, changed(boot, files=tree), root_partition())

    assert boot.files is not None
    without_holes(make, dict(boot.files), target, block=1024, offset=MIB)


def kernel_in_pieces(guest: Guest, target: Path) -> None:
    """A kernel in some hundred pieces: its extents do not fit into its inode."""
    tree = files(guest)
    kernel = tree.pop(LINUX)
    assert isinstance(kernel, bytes)
    crumbs: Tree = {f"crumbs/{number:04}": random.Random(number).randbytes(65_536) for number in range(500)}
    make_image(target, Filesystem({**tree, **crumbs}, size_bytes=64 * MIB))
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "vmlinuz"
        source.write_bytes(kernel)
        script = "".join(f"rm crumbs/{number:04}\n" for number in range(0, 500, 2))
        run("debugfs", "-w", "-f", "-", str(target), stdin=f"{script}write {source} {LINUX}\n")


def _zero_blocks(content: bytes) -> list[int]:
    """The whole blocks of 4 KiB that are zero and whose follower is not."""
    return [
        at // 4096
        for at in range(0, len(content) - 8192, 4096)
        if not any(content[at : at + 4096]) and any(content[at + 4096 : at + 8192])
    ]


def spoilt_zeros(zeros: int, spoil: Callable[[Path, int], None]) -> Make:
    """Files without holes, and something then done to a block of the initrd's zeros."""

    def make(guest: Guest, target: Path) -> None:
        tree = with_zeros(guest, zeros)
        content = tree[INITRD]
        assert isinstance(content, bytes)

        def fill(tree: Tree, target: Path) -> None:
            make_image(target, Filesystem(tree, size_bytes=64 * MIB))

        without_holes(fill, tree, target, block=4096, offset=0)
        start = content.index(bytes(zeros))
        spoil(target, next(number for number in _zero_blocks(content) if number * 4096 >= start))

    return make


def _write_old(target: Path, physical: int) -> None:
    with target.open("r+b") as image:
        image.seek(physical * 4096)
        image.write(b"something old\n" * 290)


def punch_hole(target: Path, block: int) -> None:
    """A hole, and something else in the block that 0.97 takes in its place: the one behind the extent before it."""
    physical = int(run("debugfs", "-R", f"bmap /{INITRD} {block}", str(target)).split()[0])
    run("debugfs", "-w", "-R", f"punch /{INITRD} {block} {block}", str(target))
    _write_old(target, physical)


def leave_unwritten(target: Path, block: int) -> None:
    """As a file system leaves it that allocated a block, and never came to write it: something old lies there."""
    punch_hole(target, block)
    run("debugfs", "-w", "-R", f"fallocate /{INITRD} {block} {block}", str(target))
    _write_old(target, int(run("debugfs", "-R", f"bmap /{INITRD} {block}", str(target)).split()[0]))


def after_debugfs(*requests: str, **changes: object) -> Make:
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
    plain, holed = boot_files_at_root(files(guest, menu=text)), boot_files_at_root(with_zeros(guest, menu=text))
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
        file.truncate(XFS_BYTES if kind.startswith("xfs") else 64 * MIB)
    if kind.startswith("xfs"):
        run("mkfs.xfs", "-q", "-m", f"crc=0,uuid={BOOT_UUID}", "-n", "ftype=0", str(path))
    else:
        run("mkfs.reiserfs", "-q", "-ff", "-u", ROOT_UUID if kind.endswith("root") else BOOT_UUID, str(path))


def boot_through_a_kernel(kind: str) -> Make:
    def make(guest: Guest, target: Path) -> None:
        raw = through_a_kernel(guest)[kind]
        make_partitioned(target, Filesystem(None, "raw", raw=raw, size_bytes=len(raw)), root_partition())

    return make


def hd0_reiserfs(guest: Guest, target: Path) -> None:
    target.write_bytes(through_a_kernel(guest)["reiserfs-root"])


XFS = {"type": "xfs", "size_bytes": XFS_BYTES}

NO_FTYPE = "-m crc=0 -n ftype=0"
